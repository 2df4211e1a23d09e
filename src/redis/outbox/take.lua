-- ARGV: node, most jobs, and '' or the first ID whose answer may have been lost. Hands out to the leader alone: what another
-- got after its successor had looked for what is pending, nobody would look for again.
if redis.pcall('GET', LEAD) ~= ARGV[1] then
  return { 'another' }
end
if not there() then
  return { 'ok', START, {} }
end

local function hand_out()
  return redis.pcall('XREADGROUP', 'GROUP', GROUP, ARGV[1], 'COUNT', ARGV[2], 'STREAMS', QUEUE, '>')
end
local handed = hand_out()
if type(handed) == 'table' and handed.err then
  if not string.find(handed.err, 'NOGROUP', 1, true) then
    error(handed.err)
  end
  -- Somebody removed it: all that is there is handed out once more.
  redis.call('XGROUP', 'CREATE', QUEUE, GROUP, '0')
  handed = hand_out()
end

local last = last_id(QUEUE)
local jobs = handed and handed[1] and handed[1][2] or {}
if ARGV[3] ~= '' then
  -- What was handed out before stands before what was now, and as many as may be in one answer were now, if there are more.
  local from = position(ARGV[3])
  if not from or later(from, following(last)) then
    from = { 0, 0 }
  end
  jobs = redis.call('XRANGE', QUEUE, text(from), '+', 'COUNT', ARGV[2])
end
return { 'ok', text(last), jobs }
