-- The keys of one queue, and the head of the log, which knows whether there has to be one.

local QUEUE, LEAD, DEAD, HEAD, TOLD = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]

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

-- Of so many of the last jobs, and for so long, it is remembered that they were told: somebody waits for one for half a minute.
local MOST_TOLD = 10000
local TOLD_FOR = '3600000'

-- Whether the CDN has taken the job at a position, once at least.
local function is_told(at)
  return type(redis.pcall('ZSCORE', TOLD, text(at))) == 'string'
end

-- Notes of jobs, by their IDs, that it has.
local function note_told(ids)
  if redis.call('TYPE', TOLD).ok ~= 'zset' then
    redis.call('DEL', TOLD)
  end
  for _, id in ipairs(ids) do
    local job = redis.call('XRANGE', QUEUE, id, id)[1]
    if job then
      local _, at = covered(job[1], job[2])
      -- A server that is full takes no more: whoever waits then waits for what stands before, too.
      redis.pcall('ZADD', TOLD, string.format('%.0f', at[1]), text(at))
    end
  end
  redis.call('ZREMRANGEBYRANK', TOLD, 0, -MOST_TOLD - 1)
  redis.call('PEXPIRE', TOLD, TOLD_FOR)
end
