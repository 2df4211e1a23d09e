-- ARGV: birth to be given, `seen`, birth that is given up (or ''), what purges everything, most terms, birth (or '') and
-- term that the caller followed last, 1 if a term that this server never heard of is to be taken for lost, and how many of the
-- queues are the caller's.
local replid, role = server()
if replica(role) then
  return { 'replica' }
end
local head = load()
if head and head.layout ~= LAYOUT then
  return { 'layout', head.layout }
end
local seen = position(ARGV[2])
local most_terms = tonumber(ARGV[5])

-- Nodes count as alive but say anew how far they have come: what they had applied of another term or log may look ahead of
-- what this one holds. Those that left stay away.
local function reset_nodes(birth)
  local nodes = ask('HGETALL', NODES) or {}
  redis.call('DEL', NODES)
  redis.call('HSET', NODES, BIRTH, birth)
  for i = 1, #nodes, 2 do
    if #nodes[i] == 16 then
      local left = has_left(nodes[i + 1])
      redis.call('HSET', NODES, nodes[i], left and nodes[i + 1] or START .. ' ' .. string.format('%.0f', now()))
    end
  end
end

local function ends_of()
  local ends = ask('HGET', HEAD, 'ends') or ''
  local _, count = string.gsub(ends, '%d+%-%d+', '')
  return ends, count
end

-- More than the guard looks at with every call: whether the newest record is the one that the head names.
local function sound()
  if not head or head.birth == ARGV[3] or not whole(head) then
    return false
  end
  if text(head.tip) ~= START then
    local newest = redis.call('XREVRANGE', STREAM, '+', '-', 'COUNT', 1)[1]
    if newest[1] ~= text(head.tip) then
      return false
    end
  end
  local _, count = ends_of()
  return count == head.term - 1
end

-- The term that begins is later than every term that the caller has followed: the server may know nothing of some of them,
-- which ended for it where they began.
local function next_term()
  if ARGV[6] == head.birth then
    return math.max(head.term, tonumber(ARGV[7])) + 1
  end
  return head.term + 1
end

local function unheard_of()
  return ARGV[8] == '1' and ARGV[6] == head.birth and tonumber(ARGV[7]) > head.term
end

local function begin_term(term)
  local ends = ends_of() .. string.rep(' ' .. text(head.last), term - head.term)
  if later(seen, head.last) then
    head.last = seen
  end
  head.term = term
  reset_nodes(head.birth)
  redis.call('HSET', HEAD, 'term', head.term, 'replid', replid, 'ends', ends, 'last', text(head.last))
end

-- Intents outlive the log: what they purge is known without it. Of those that are known by their deadline alone, one that
-- purges everything at the latest of these takes the place.
local function surviving_intents()
  local kept, lost = {}, nil
  local values = ask('HGETALL', INTENTS) or {}
  for i = 1, #values, 2 do
    if #values[i] == 16 then
      kept[values[i]] = intent_from(values[i + 1])
    end
  end
  for i = 1, #values, 2 do
    local id = string.sub(values[i], 1, 16)
    if values[i] == id .. NAMED and kept[id] then
      kept[id].names = values[i + 1]
    end
  end
  local due = ask('ZRANGE', DUE, 0, -1, 'WITHSCORES') or {}
  for i = 1, #due, 2 do
    if #due[i] == 16 and not kept[due[i]] then
      lost = math.max(lost or 0, tonumber(due[i + 1]))
    end
  end
  if lost then
    kept[ARGV[1]] = { deadline = lost, node = '', purges = ARGV[4], names = #QUEUES > 0 and EVERYTHING or '' }
  end
  return kept
end

-- It begins where its first record would stand, not where nobody has seen anything yet: fences are compared with what a node
-- applied before it followed this log, and until the first purge they all stand at its beginning.
local function be_born()
  local birth = ARGV[1]
  local intents = surviving_intents()
  redis.call('DEL', HEAD, STREAM, TABLES[1], TABLES[2], INTENTS, DUE, OWNED, NAMES)
  redis.call(
    'HSET', HEAD, 'layout', LAYOUT, 'birth', birth, 'term', 1, 'replid', replid, 'ends', '',
    'born', string.format('%.0f', now()), 'last', text(next_after(seen)), 'tip', START, 'all_hard', START, 'all_soft', START,
    'cdns', head and head.cdns or ''
  )
  redis.call('HSET', INTENTS, BIRTH, birth)
  redis.call('ZADD', DUE, '+inf', BIRTH .. birth)
  redis.call('ZADD', OWNED, 0, BIRTH .. birth)
  reset_nodes(birth)
  for id, intent in pairs(intents) do
    keep_intent(id, intent)
  end
end

local event = 'kept'
local before = head ~= nil
if not sound() then
  event = 'born'
  be_born()
elseif (replid ~= 'unknown' and replid ~= head.replid) or unheard_of() then
  -- A log of so many terms gives way to a new one, as the list of their ends has to stay short.
  local term = next_term()
  if term <= most_terms then
    event = 'term'
    begin_term(term)
  else
    event = 'born'
    be_born()
  end
end

-- Queues outlive the log. The head says which there are: `kept`, or `new` as long as nobody has come who knew of a log before
-- this one. What waited in a queue that is lost nobody can tell, so its CDN is told to forget everything: once, by whoever
-- finds the loss first. No other script makes a queue of which nothing was lost. Those that are not the caller's are looked
-- at where a log is born, as the nodes that have them may not be there to do it.
head = load()
if not is_queue(NAMES) then
  redis.call('DEL', NAMES)
end
local stranger = ARGV[6] ~= '' and ARGV[6] ~= head.birth
local lost = 0
local cdns = cdns_of(head)
for i = 1, event == 'born' and #QUEUES or OWN do
  local queue = QUEUES[i]
  local known, there = redis.call('HGET', HEAD, queue), is_queue(queue)
  local gone = not there and (known or stranger or (event == 'born' and before))
  if gone or (known == 'new' and stranger) or cdns[cdn_of(queue)] == 0 then
    everything(queue, head.last, 'lost')
    redis.call('HSET', HEAD, queue, 'kept')
    lost = lost + 1
  elseif not there then
    make_queue(queue)
    redis.call('HSET', HEAD, queue, 'new')
  elseif not known then
    redis.call('HSET', HEAD, queue, 'kept')
  end
  cdns[cdn_of(queue)] = now()
end
if #QUEUES > 0 then
  note_cdns(cdns)
end

local reply = redis.call(
  'HMGET', HEAD, 'birth', 'term', 'last', 'ends', 'path_hard', 'prefix_hard', 'tag_hard', 'route_hard', 'all_hard',
  'path_soft', 'prefix_soft', 'tag_soft', 'route_soft', 'all_soft'
)
-- Whether the server would make room by evicting what has no expiry, too.
local memory = redis.pcall('INFO', 'memory')
local evicts = type(memory) == 'string'
  and string.find(memory, 'maxmemory_policy:allkeys', 1, true)
  and not string.find(memory, '\nmaxmemory:0\r', 1, true)
return { 'ok', event, replid == 'unknown' and '0' or '1', evicts and '1' or '0', lost, told(cdns), unpack(reply) }
