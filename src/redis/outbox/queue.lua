-- The queue of a CDN: a stream of jobs, and a group that shows which of them were handed out.
--
-- A job has `position`, `names` and `at`, when it was queued. One in the place of others that are gone also has `from`, the
-- lowest of their positions, and `why`.

local GROUP = 'larder'
local EVERYTHING = '["all","hard"]\n'
-- A CDN that takes a hundred purges a second and is away for half an hour; a job takes some 250 bytes.
local MOST_JOBS = 200000
-- Names are as long as clients make their paths.
local MOST_BYTES = 67108864

local function is_queue(key)
  return redis.call('TYPE', key).ok == 'stream'
end

local function make_queue(key)
  redis.call('DEL', key)
  redis.call('XGROUP', 'CREATE', key, GROUP, '0', 'MKSTREAM')
end

local function last_id(key)
  local info = redis.call('XINFO', 'STREAM', key)
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then
      return position(info[i + 1])
    end
  end
end

-- The ID of a job is its position, or else the next one: later than those before it in any case. Nil where somebody put in
-- an ID that leaves no room.
local function next_id(at, last)
  if later(at, last) then
    return at
  end
  local id = following(last)
  return id[1] < MILLISECONDS and id or nil
end

-- One job that names everything, in the place of all there were. Its ID is one that no append hands out, another one each time,
-- and beyond those that were: where a job in hand had the same, this one would be taken for it, and settled with it unsent.
local function everything(key, at, why)
  local micros = tonumber(redis.call('TIME')[2]) % 1000
  local id = { math.max(at[1], now()), SEQUENCES / 2 + micros }
  local last = is_queue(key) and last_id(key) or { 0, 0 }
  if later(last, id) or last[2] == id[2] and last[1] == id[1] then
    id = following(last)
    id = id[1] < MILLISECONDS and id or at
  end
  make_queue(key)
  redis.call(
    'XADD', key, text(id),
    'position', text(at), 'names', EVERYTHING, 'at', string.format('%.0f', now()), 'from', START, 'why', why
  )
end

-- Puts a job behind all others. A queue that is too long says too much rather than too little.
local function put(key, at, names)
  if not is_queue(key) then
    return everything(key, at, 'lost')
  end
  local id = next_id(at, last_id(key))
  if not id then
    return everything(key, at, 'foreign')
  end
  -- An estimate from a few of its parts, where the user may ask.
  local bytes = redis.pcall('MEMORY', 'USAGE', key, 'SAMPLES', '5')
  if redis.call('XLEN', key) >= MOST_JOBS or (tonumber(bytes) or 0) > MOST_BYTES then
    return everything(key, at, 'overflow')
  end
  redis.call(
    'XADD', key, text(id), 'position', text(at), 'names', names, 'at', string.format('%.0f', now())
  )
end
