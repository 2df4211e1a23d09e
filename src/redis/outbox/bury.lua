-- ARGV: reason, most dead letters, most fields of a job that are kept, IDs of jobs.

-- What stands for letters that had no room any more: from the first of their positions to the last, and why the last was given up.
local widest
local dropped, known = 0, false

local function widen(letter)
  local from, to = covered(field(letter[2], 'job'), letter[2])
  from, to = from or { 0, 0 }, to or { 0, 0 }
  widest = widest or { from = from, to = to }
  widest.from = later(widest.from, from) and from or widest.from
  widest.to = later(to, widest.to) and to or widest.to
  widest.why = field(letter[2], 'reason') or ''
  redis.call('XDEL', DEAD, letter[1])
end

local function put_letter(...)
  local id = next_id(next_after(), redis.call('XLEN', DEAD) > 0 and last_id(DEAD) or { 0, 0 })
  redis.call('XADD', DEAD, text(id), ...)
end

local function keep(id, fields)
  -- Nobody but an operator puts in so many, and unpacked they would not fit on the stack.
  if #fields > tonumber(ARGV[3]) then
    fields = {}
  end
  put_letter('job', id, 'buried', string.format('%.0f', now()), 'reason', ARGV[1], unpack(fields))
end

if is_queue(QUEUE) then
  -- What stands there in the way is no list of dead letters.
  if not is_queue(DEAD) or not next_id(next_after(), last_id(DEAD)) then
    redis.call('DEL', DEAD)
  end
  -- It is always the newest, as nothing leaves before all do.
  local newest = is_queue(DEAD) and redis.call('XREVRANGE', DEAD, '+', '-', 'COUNT', 1)[1]
  if newest and field(newest[2], 'why') == 'dead' then
    known = true
    widen(newest)
  end
  for i = 4, #ARGV do
    local job = redis.call('XRANGE', QUEUE, ARGV[i], ARGV[i])[1]
    if job then
      keep(job[1], job[2])
      redis.call('XACK', QUEUE, GROUP, job[1])
      redis.call('XDEL', QUEUE, job[1])
    end
  end
  local most, count = tonumber(ARGV[2]), redis.call('XLEN', DEAD)
  if known or count > most then
    local over = count - most + 1
    for _, letter in ipairs(over > 0 and redis.call('XRANGE', DEAD, '-', '+', 'COUNT', over) or {}) do
      widen(letter)
      dropped = dropped + 1
    end
    local at = string.format('%.0f', now())
    put_letter(
      'job', text(widest.to), 'buried', at,
      'reason', 'there were too many dead letters: this one purges everything in place of the oldest; the last of them: '
        .. string.gsub(widest.why, '^.*; the last of them: ', ''),
      'position', text(widest.to), 'names', EVERYTHING, 'at', at, 'from', text(widest.from), 'why', 'dead'
    )
  end
end
return { 'ok', dropped, known and 1 or 0 }
