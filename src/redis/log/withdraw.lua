-- ARGV: epoch, ID.
local head, refusal = guard(ARGV[1])
if not head then
  return refusal
end
drop_intent(ARGV[2])
return { 'ok' }
