-- ARGV: IDs of jobs.
if is_queue(QUEUE) then
  for _, id in ipairs(ARGV) do
    redis.call('XACK', QUEUE, GROUP, id)
    redis.call('XDEL', QUEUE, id)
  end
end
return { 'ok' }
