-- ARGV: reason, most dead letters, most fields of a job that are kept, IDs of jobs.
local dropped = 0

local function keep(id, fields)
  -- Nobody but an operator puts in so many, and unpacked they would not fit on the stack.
  if #fields > tonumber(ARGV[3]) then
    fields = {}
  end
  local before = redis.call('XLEN', DEAD)
  redis.call(
    'XADD', DEAD, 'MAXLEN', ARGV[2], text(next_id(next_after(), before > 0 and last_id(DEAD) or { 0, 0 })),
    'job', id, 'buried', string.format('%.0f', now()), 'reason', ARGV[1], unpack(fields)
  )
  dropped = dropped + before + 1 - redis.call('XLEN', DEAD)
end

if is_queue(QUEUE) then
  -- What stands there in the way is no list of dead letters.
  if not is_queue(DEAD) or not next_id(next_after(), last_id(DEAD)) then
    redis.call('DEL', DEAD)
  end
  for i = 4, #ARGV do
    local job = redis.call('XRANGE', QUEUE, ARGV[i], ARGV[i])[1]
    if job then
      keep(job[1], job[2])
      redis.call('XACK', QUEUE, GROUP, job[1])
      redis.call('XDEL', QUEUE, job[1])
    end
  end
end
return { 'ok', dropped }
