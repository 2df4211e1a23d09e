-- ARGV: first ID, most jobs. What was handed out and is still there was not settled.
if not is_queue(QUEUE) then
  return { 'ok', {} }
end
for _, group in ipairs(redis.call('XINFO', 'GROUPS', QUEUE)) do
  if field(group, 'name') == GROUP then
    local last = field(group, 'last-delivered-id')
    return { 'ok', redis.call('XRANGE', QUEUE, ARGV[1], last, 'COUNT', ARGV[2]) }
  end
end
return { 'ok', {} }
