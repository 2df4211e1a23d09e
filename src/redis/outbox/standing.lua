-- ARGV: position.
local wanted = position(ARGV[1])
-- Jobs looked at: a millisecond's work. Of more it is not said that they were told.
local MOST_LOOKED_AT = 1000

local function covers(from, to)
  return not later(from, wanted) and not later(wanted, to)
end

if is_told(wanted) then
  return { 'delivered' }
end
if not is_queue(QUEUE) then
  -- If there was one, what takes its place is yet to come.
  if of_head(QUEUE) then
    return { 'outstanding' }
  end
else
  -- The job itself has that position as its ID, or a later one; so has what took its place. Most times it is the first.
  for _, most in ipairs({ 1, MOST_LOOKED_AT }) do
    for _, job in ipairs(redis.call('XRANGE', QUEUE, text(wanted), '+', 'COUNT', most)) do
      local from, to = covered(job[1], job[2])
      if covers(from, to) then
        return { is_told(to) and 'delivered' or 'outstanding' }
      end
    end
  end
end
if is_queue(DEAD) then
  -- The newest stands for those that had no room, so it comes last.
  for _, letter in ipairs(redis.call('XRANGE', DEAD, '-', '+')) do
    local from, to = covered(field(letter[2], 'job'), letter[2])
    if to and covers(from, to) then
      return { 'dead', field(letter[2], 'reason') or '' }
    end
  end
end
if is_queue(QUEUE) then
  local before = redis.call('XRANGE', QUEUE, '-', text(wanted), 'COUNT', MOST_LOOKED_AT)
  for _, job in ipairs(before) do
    local _, to = covered(job[1], job[2])
    if not is_told(to) then
      return { 'outstanding' }
    end
  end
  if #before >= MOST_LOOKED_AT then
    return { 'outstanding' }
  end
end
return { 'delivered' }
