-- ARGV: epoch, node, position applied, milliseconds after which the intents of a silent node are swept, most intents in the
-- answer, milliseconds after which a silent node serves nothing any more, how many of the queues are the caller's.
local head, refusal = guard(ARGV[1])
if not head then
  return refusal
end
local time, sweep, room, patience = now(), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])

if not has_left(redis.call('HGET', NODES, ARGV[2])) then
  redis.call('HSET', NODES, ARGV[2], ARGV[3] .. ' ' .. string.format('%.0f', time))
end
local peers, alive, living = {}, {}, 0
local nodes = redis.call('HGETALL', NODES)
for i = 1, #nodes, 2 do
  local node = nodes[i]
  if node ~= BIRTH then
    local applied, beat = string.match(nodes[i + 1], '^(%d+%-%d+) (%d+)$')
    -- A beat from the future was timed by another server, before a fail-over: its node will beat again if it lives.
    local silent = beat and math.abs(time - tonumber(beat))
    local left = has_left(nodes[i + 1])
    if silent and silent <= sweep then
      alive[node], living = true, living + 1
    end
    if silent and silent <= patience then
      peers[#peers + 1], peers[#peers + 2] = node, applied
    elseif not left or math.abs(time - tonumber(left)) > patience then
      redis.call('HDEL', NODES, node)
    end
  end
end

local due, listed = {}, {}
local function list(id, last)
  local intent = intent_of(id)
  if intent and not listed[id] then
    listed[id], room = true, room - 1
    due[#due + 1], due[#due + 2] = id, last
    due[#due + 1], due[#due + 2] = intent.purges, intent.names
  end
end

for _, id in ipairs(redis.call('ZRANGEBYSCORE', DUE, '-inf', string.format('%.0f', time), 'LIMIT', 0, room)) do
  list(id, '1')
end

-- Intents that were not swept yet, by node: those of a node that lives are passed over in one step, so this takes as
-- many steps as there are nodes and intents in the answer, however many are kept.
local from = '-'
for _ = 1, living + 2 * tonumber(ARGV[5]) + 1 do
  local member = redis.call('ZRANGEBYLEX', OWNED, from, '+', 'LIMIT', 0, 1)[1]
  if not member or room <= 0 then
    break
  end
  local owner = string.sub(member, 1, 16)
  if #member ~= 32 then
    from = '(' .. member
  elseif alive[owner] then
    from = '(' .. owner .. string.rep('\255', 17)
  else
    from = '(' .. member
    list(string.sub(member, 17), '0')
  end
end

-- The CDNs of this node are there. One of them that is not told of purges was forgotten, and some may have passed it by: so it is
-- told everything, which what was given up for it is part of.
local cdns, changed, deserted, forgotten = cdns_of(head), false, {}, {}
for i, queue in ipairs(QUEUES) do
  local name = cdn_of(queue)
  local silent = math.abs(time - (cdns[name] or 0))
  if i <= OWN then
    if not is_told(cdns, queue) then
      everything(queue, head.last, 'lost')
      redis.call('HSET', HEAD, queue, 'kept')
    end
    if silent > REFRESHED then
      cdns[name], changed = time, true
    end
  elseif is_told(cdns, queue) and silent > FORGOTTEN then
    redis.call('DEL', queue)
    -- Named by no key of this call: a server that is strict about that keeps them, and the beat goes on.
    redis.pcall('DEL', queue .. ':dead', queue .. ':told', queue .. ':lead')
    cdns[name], changed = 0, true
    forgotten[#forgotten + 1] = name
  elseif is_told(cdns, queue) and silent > DESERTED then
    deserted[#deserted + 1] = { name, math.floor(silent / 1000), ask('XLEN', queue) or 0 }
  end
end
if changed then
  note_cdns(cdns)
end
-- A log that is older than the field was not born just now. What another server timed, before a fail-over, is taken as heartbeats are.
local born = tonumber(redis.call('HGET', HEAD, 'born') or '') or 0
return { 'ok', text(head.last), peers, due, math.abs(time - born), told(cdns), deserted, forgotten }
