-- What every script of the log begins with: the keys, and the guard without which nothing is read or changed.

local HEAD, STREAM, TABLES = KEYS[1], KEYS[2], { KEYS[3], KEYS[4] }
local INTENTS, DUE, OWNED, NODES, NAMES = KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local QUEUES = { unpack(KEYS, 10) }

local LAYOUT = '1'
local TABLE_HEADER = 16
local TABLE_BYTES = TABLE_HEADER + 8 * 1048576
-- The member or field by which intents, due, owned and nodes show which log they belong to, so that the loss of one is
-- noticed even where it held nothing else.
local BIRTH = 'birth'
-- Behind the ID of an intent, the field with its names. Versions that know of none leave such fields alone.
local NAMED = 'n'

-- Eight bytes, big-endian.
local function bytes(at)
  return struct.pack('>I4I4', math.floor(at[1] / 4096), at[1] % 4096 * SEQUENCES + at[2])
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
  local fields = ask('HMGET', HEAD, 'layout', 'birth', 'term', 'replid', 'last', 'tip', 'hard', 'soft', 'cdns')
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
    cdns = fields[9] or '',
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

-- When a node said that it ends. Its life is over then, whatever of it comes later.
local function has_left(node)
  return string.match(node or '', '^left (%d+)$')
end

-- An intent is kept as its deadline (14 digits), then 'n' and its node or '-', then what it purges.
local function intent_from(value, names)
  if not value or #value < 15 then
    return nil
  end
  local deadline = tonumber(string.sub(value, 1, 14))
  if not deadline then
    return nil
  end
  names = names or ''
  if string.sub(value, 15, 15) == 'n' then
    return { deadline = deadline, node = string.sub(value, 16, 31), purges = string.sub(value, 32), names = names }
  end
  return { deadline = deadline, node = '', purges = string.sub(value, 16), names = names }
end

local function intent_of(id)
  return intent_from(unpack(redis.call('HMGET', INTENTS, id, id .. NAMED)))
end

local function keep_intent(id, intent)
  local flag = intent.node == '' and '-' or 'n'
  redis.call('HSET', INTENTS, id, string.format('%014.0f', intent.deadline) .. flag .. intent.node .. intent.purges)
  if intent.names ~= '' then
    redis.call('HSET', INTENTS, id .. NAMED, intent.names)
  end
  redis.call('ZADD', DUE, intent.deadline, id)
  if intent.node ~= '' then
    redis.call('ZADD', OWNED, 0, intent.node .. id)
  end
end

local function drop_intent(id)
  local intent = intent_of(id)
  redis.call('HDEL', INTENTS, id, id .. NAMED)
  redis.call('ZREM', DUE, id)
  if intent and intent.node ~= '' then
    redis.call('ZREM', OWNED, intent.node .. id)
  end
end
