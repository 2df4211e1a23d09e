-- ARGV: position. Jobs stand in the order of their positions, but for dead letters that were queued again: those are seen when
-- all before them are gone.
local wanted = position(ARGV[1])
if not is_queue(QUEUE) then
  -- If there was one, what takes its place is yet to come.
  if of_head(QUEUE) then
    return { 'outstanding' }
  end
else
  local oldest = redis.call('XRANGE', QUEUE, '-', '+', 'COUNT', 1)[1]
  if oldest and not later(covered(oldest[1], oldest[2]), wanted) then
    return { 'outstanding' }
  end
end
if is_queue(DEAD) then
  for _, letter in ipairs(redis.call('XREVRANGE', DEAD, '+', '-')) do
    local from, to = covered(field(letter[2], 'job'), letter[2])
    if to and not later(from, wanted) and not later(wanted, to) then
      return { 'dead', field(letter[2], 'reason') or '' }
    end
  end
end
return { 'delivered' }
