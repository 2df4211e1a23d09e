-- ARGV: node, most jobs, first ID that the node has not seen, milliseconds that what stands for a lost queue waits. Hands out to the leader alone: what another got after its
-- successor had looked for what is pending, nobody would look for again.
--
-- The answer goes by what the node has seen, and not by what is handed out with it: a command that came late, over a connection
-- that was given up, hands out to nobody. The group only shows what a successor has to look for.
if redis.pcall('GET', LEAD) ~= ARGV[1] then
  return { 'another' }
end
if not there() then
  return { 'ok', START, {} }
end

-- A queue that is lost may be lost with its log. Nodes then take a moment to notice, and append again what they know: whoever told
-- the CDN everything before that would have it ask one that has not noticed, and would have to tell it all over again.
local first = redis.call('XRANGE', QUEUE, '-', '+', 'COUNT', 1)[1]
if first and field(first[2], 'why') == 'lost' then
  local age = now() - (tonumber(field(first[2], 'at')) or 0)
  if age >= 0 and age < tonumber(ARGV[4]) then
    return { 'ok', text(last_id(QUEUE)), {} }
  end
end

local function hand_out()
  return redis.pcall('XREADGROUP', 'GROUP', GROUP, GROUP, 'COUNT', ARGV[2], 'STREAMS', QUEUE, '>')
end
local handed = hand_out()
if type(handed) == 'table' and handed.err then
  if not string.find(handed.err, 'NOGROUP', 1, true) then
    error(handed.err)
  end
  -- Somebody removed it: all that is there is handed out once more.
  redis.call('XGROUP', 'CREATE', QUEUE, GROUP, '0')
  hand_out()
end

local last = last_id(QUEUE)
local from = position(ARGV[3])
-- A queue whose IDs end before that is another one.
if not from or later(from, following(last)) then
  from = { 0, 0 }
end
return { 'ok', text(last), redis.call('XRANGE', QUEUE, text(from), '+', 'COUNT', ARGV[2]) }
