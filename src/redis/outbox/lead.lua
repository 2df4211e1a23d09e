-- ARGV: node, milliseconds.
if redis.call('TYPE', LEAD).ok ~= 'string' then
  redis.call('DEL', LEAD)
end
local leader = redis.call('GET', LEAD)
if leader and leader ~= ARGV[1] then
  return { 'another' }
end
redis.call('SET', LEAD, ARGV[1], 'PX', ARGV[2])
return { 'ok' }
