-- What every script begins with: the keys, positions, and the guard without which nothing is read or changed.
--
-- Positions are written "milliseconds-sequence", which is also the ID of a record in the stream, and held as two numbers:
-- as one, they would not fit into the 53 bits that a number of Lua has. They are never compared as strings, which goes by
-- the locale of the server.

local HEAD, STREAM, TABLES = KEYS[1], KEYS[2], { KEYS[3], KEYS[4] }
local INTENTS, DUE, OWNED, NODES = KEYS[5], KEYS[6], KEYS[7], KEYS[8]

local LAYOUT = '1'
local START = '0-0'
local SEQUENCES = 1048576 -- 2^20 positions in a millisecond
local MILLISECONDS = 17592186044416 -- 2^44
local TABLE_HEADER = 16
local TABLE_BYTES = TABLE_HEADER + 8 * 1048576
-- The member or field by which intents, due, owned and nodes show which log they belong to, so that the loss of one is
-- noticed even where it held nothing else.
local BIRTH = 'birth'

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

-- Eight bytes, big-endian.
local function bytes(at)
  return struct.pack('>I4I4', math.floor(at[1] / 4096), at[1] % 4096 * SEQUENCES + at[2])
end

local function now()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
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

-- What a command says; false also where the key holds something of another type, which is as good as nothing.
local function ask(...)
  local reply = redis.pcall(...)
  if type(reply) == 'table' and reply.err then
    if string.find(reply.err, 'WRONGTYPE', 1, true) then
      return false
    end
    error(reply.err)
  end
  return reply
end

-- The replication history that this server continues, and its role; 'unknown' where the user may not ask. A history that is
-- not the head's means that what was appended last may not have come along.
local function server()
  local info = redis.pcall('INFO', 'replication')
  if type(info) ~= 'string' then
    return 'unknown', 'unknown'
  end
  return string.match(info, 'master_replid:(%w+)') or 'unknown', string.match(info, 'role:(%w+)') or 'unknown'
end

-- Other servers call it slave or replica, so whatever is not a master.
local function replica(role)
  return role ~= 'master' and role ~= 'unknown'
end

local function load()
  local fields = ask('HMGET', HEAD, 'layout', 'birth', 'term', 'replid', 'last', 'tip', 'hard', 'soft')
  if not fields or not fields[1] then
    return nil
  end
  return {
    layout = fields[1],
    birth = fields[2] or '',
    term = tonumber(fields[3] or ''),
    replid = fields[4] or '',
    last = position(fields[5]),
    tip = position(fields[6]),
    tables = { fields[7] == '1', fields[8] == '1' },
  }
end

-- Whether all parts of the log are there and belong together.
local function whole(head)
  if #head.birth ~= 16 or not (head.term and head.last and head.tip) then
    return false
  end
  local empty = text(head.tip) == START
  if ((ask('XLEN', STREAM) or 0) == 0) ~= empty then
    return false
  end
  for mode = 1, 2 do
    if head.tables[mode] then
      if (ask('STRLEN', TABLES[mode]) or 0) ~= TABLE_BYTES then
        return false
      end
      if redis.call('GETRANGE', TABLES[mode], 0, TABLE_HEADER - 1) ~= head.birth then
        return false
      end
    end
  end
  return ask('HGET', INTENTS, BIRTH) == head.birth
    and ask('HGET', NODES, BIRTH) == head.birth
    and ask('ZSCORE', DUE, BIRTH .. head.birth)
    and ask('ZSCORE', OWNED, BIRTH .. head.birth)
end

-- The head, if the log is in this epoch on this server; otherwise nil and what to answer.
local function guard(epoch)
  local replid, role = server()
  if replica(role) then
    return nil, { 'replica' }
  end
  local head = load()
  if not head then
    return nil, { 'moved' }
  end
  if head.layout ~= LAYOUT then
    return nil, { 'layout', head.layout }
  end
  if not whole(head) or head.birth .. struct.pack('>I4', head.term) ~= epoch then
    return nil, { 'moved' }
  end
  if replid ~= 'unknown' and replid ~= head.replid then
    return nil, { 'moved' }
  end
  return head
end

-- An intent is kept as its deadline (14 digits), then 'n' and its node or '-', then what it purges.
local function intent_of(value)
  if not value or #value < 15 then
    return nil
  end
  local deadline = tonumber(string.sub(value, 1, 14))
  if not deadline then
    return nil
  end
  if string.sub(value, 15, 15) == 'n' then
    return { deadline = deadline, node = string.sub(value, 16, 31), purges = string.sub(value, 32) }
  end
  return { deadline = deadline, node = '', purges = string.sub(value, 16) }
end

local function keep_intent(id, intent)
  local flag = intent.node == '' and '-' or 'n'
  redis.call('HSET', INTENTS, id, string.format('%014.0f', intent.deadline) .. flag .. intent.node .. intent.purges)
  redis.call('ZADD', DUE, intent.deadline, id)
  if intent.node ~= '' then
    redis.call('ZADD', OWNED, 0, intent.node .. id)
  end
end

local function drop_intent(id)
  local intent = intent_of(redis.call('HGET', INTENTS, id))
  redis.call('HDEL', INTENTS, id)
  redis.call('ZREM', DUE, id)
  if intent and intent.node ~= '' then
    redis.call('ZREM', OWNED, intent.node .. id)
  end
end
