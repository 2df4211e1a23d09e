-- The keys of one queue, and the head of the log, which knows whether there has to be one.

local QUEUE, LEAD, DEAD, HEAD = KEYS[1], KEYS[2], KEYS[3], KEYS[4]

local function of_head(name)
  local value = redis.pcall('HGET', HEAD, name)
  return type(value) == 'string' and value or nil
end

-- Whether the queue is there. One that the log knows and that is not there is lost: everything takes its place. One that the
-- log does not know yet is made when the log is next opened.
local function there()
  if is_queue(QUEUE) then
    return true
  end
  if not of_head(QUEUE) then
    return false
  end
  everything(QUEUE, position(of_head('last')) or { now(), 0 }, 'lost')
  return true
end

local function field(fields, name)
  for i = 1, #fields, 2 do
    if fields[i] == name then
      return fields[i + 1]
    end
  end
end

-- The first and the last of the positions that a job stands for.
local function covered(id, fields)
  local at = position(field(fields, 'position')) or position(id)
  return position(field(fields, 'from')) or at, at
end
