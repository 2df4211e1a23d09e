-- ARGV: epoch, ID, node or '', purges, milliseconds from now, most intents (one with names counts twice), names or ''.
local head, refusal = guard(ARGV[1])
if not head then
  return refusal
end
if redis.call('HLEN', INTENTS) > tonumber(ARGV[6]) then
  return { 'full' }
end
drop_intent(ARGV[2])
keep_intent(ARGV[2], { deadline = now() + tonumber(ARGV[5]), node = ARGV[3], purges = ARGV[4], names = ARGV[7] })
return { 'ok' }
