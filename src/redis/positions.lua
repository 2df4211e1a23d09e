-- Positions in the log.
--
-- They are written "milliseconds-sequence", which is also the ID of an entry in a stream, and held as two numbers: as one,
-- they would not fit into the 53 bits that a number of Lua has. They are never compared as strings, which goes by the
-- locale of the server.

local START = '0-0'
local SEQUENCES = 1048576 -- 2^20 positions in a millisecond
local MILLISECONDS = 17592186044416 -- 2^44

local function position(text)
  local ms, sequence = string.match(text or '', '^(%d+)-(%d+)$')
  return ms and { tonumber(ms), tonumber(sequence) }
end

local function text(at)
  return string.format('%.0f-%.0f', at[1], at[2])
end

local function later(a, b)
  return a[1] > b[1] or (a[1] == b[1] and a[2] > b[2])
end

local function following(at)
  if at[2] + 1 < SEQUENCES then
    return { at[1], at[2] + 1 }
  end
  return { at[1] + 1, 0 }
end

-- One moment for all that a script does.
local moment
local function now()
  if not moment then
    local time = redis.call('TIME')
    moment = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
  end
  return moment
end

-- By the clock, and beyond all that are known.
local function next_after(...)
  local at = { now(), 0 }
  for _, known in ipairs({ ... }) do
    if not later(at, known) then
      at = following(known)
    end
  end
  return at
end
