-- ARGV: epoch, mode (1 hard, 2 soft), first and last byte behind the header.
local head, refusal = guard(ARGV[1])
if not head then
  return refusal
end
local mode = tonumber(ARGV[2])
if not head.tables[mode] then
  return { 'ok', '' }
end
return { 'ok', redis.call('GETRANGE', TABLES[mode], TABLE_HEADER + ARGV[3], TABLE_HEADER + ARGV[4]) }
