-- ARGV: epoch. Sent before every read of the stream: where the newest record stands.
local head, refusal = guard(ARGV[1])
if not head then
  return refusal
end
return { 'ok', text(head.tip) }
