-- ARGV: IDs of jobs.
if is_queue(QUEUE) then
  note_told(ARGV)
end
return { 'ok' }
