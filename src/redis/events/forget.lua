-- Removes consumers of Larder's that are gone, in one step: what one of them was handed in between would go with it.
-- KEYS: the stream. ARGV: the group, how long a consumer has to be silent (ms), the own name.
local gone = 0
for _, pairs in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local consumer = {}
  for at = 1, #pairs, 2 do
    consumer[pairs[at]] = pairs[at + 1]
  end
  local ours = #consumer.name == 32 and not string.find(consumer.name, '%X')
  if ours and consumer.name ~= ARGV[3] and consumer.pending == 0 and consumer.idle >= tonumber(ARGV[2]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], consumer.name)
    gone = gone + 1
  end
end
return gone
