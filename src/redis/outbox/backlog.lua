-- ARGV: most dead letters in the answer.
local waiting, oldest, dead, letters = 0, {}, 0, {}
if is_queue(QUEUE) then
  waiting = redis.call('XLEN', QUEUE)
  oldest = redis.call('XRANGE', QUEUE, '-', '+', 'COUNT', 1)
end
if is_queue(DEAD) then
  dead = redis.call('XLEN', DEAD)
  letters = redis.call('XREVRANGE', DEAD, '+', '-', 'COUNT', ARGV[1])
end
return { 'ok', waiting, oldest, dead, letters }
