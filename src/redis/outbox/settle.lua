-- ARGV: IDs of jobs.
if is_queue(QUEUE) then
  note_told(ARGV)
  for _, id in ipairs(ARGV) do
    redis.call('XACK', QUEUE, GROUP, id)
    redis.call('XDEL', QUEUE, id)
  end
end
return { 'ok' }
