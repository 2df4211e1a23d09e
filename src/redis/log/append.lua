-- ARGV: epoch, first ID that the caller has not applied, `seen`, ID of the record, urgent, purges, offsets in the hard and
-- in the soft table (4 bytes each), '1' where everything is purged hard and soft, records in the stream, records in the
-- answer, names or '', names of records that are kept, then pairs: what is to become of an intent, its ID. Last, how many of the
-- queues are the caller's.
local head, refusal = guard(ARGV[1])
if not head then
  return refusal
end
local cdns = cdns_of(head)
if not has_all(cdns) then
  return { 'queues', told(cdns) }
end

-- An intent that is not there was not swept a first time by anybody that is known: it may have been lost with a server, and
-- to purge once more does no harm. But whoever sweeps for the last time takes it away.
for i = 15, #ARGV - 1, 2 do
  local kind, id = ARGV[i], ARGV[i + 1]
  local intent = intent_of(id)
  if kind == 'last' and not intent then
    return { 'swept' }
  end
  if kind == 'sweep' and intent and not redis.call('ZSCORE', OWNED, intent.node .. id) then
    return { 'swept' }
  end
end

local at = next_after(head.last, position(ARGV[3]))
if at[1] >= MILLISECONDS then
  return { 'spent' }
end

local between = redis.call('XRANGE', STREAM, ARGV[2], '+', 'COUNT', ARGV[12])
-- Only a node that tells CDNs has to know how to tell them again.
local named = #QUEUES > 0 and (ask('XRANGE', NAMES, ARGV[2], '+', 'COUNT', ARGV[12]) or {}) or {}

-- The tables come before the record and the intents after it: should a command be refused on the way, the tables say too
-- much and an intent is swept for nothing, but no record is missing from them. So are CDNs told too much. Nothing in a table is later than the last
-- position, so to raise a slot is to set it. All of a table is taken at once, as its first few slots would take most of it
-- in any case.
local value = bytes(at)
for mode, name in ipairs({ 'hard', 'soft' }) do
  local offsets = ARGV[6 + mode]
  if #offsets > 0 and not head.tables[mode] then
    redis.call('DEL', TABLES[mode])
    redis.call('SETRANGE', TABLES[mode], TABLE_BYTES - 8, string.rep('\0', 8))
    redis.call('SETRANGE', TABLES[mode], 0, head.birth)
    redis.call('HSET', HEAD, name, '1')
  end
  for i = 1, #offsets, 4 do
    redis.call('SETRANGE', TABLES[mode], (struct.unpack('>I4', offsets, i)), value)
  end
end

-- When each kind of matcher was last purged: nodes look into the table for the others alone.
local kinds = { 'path', 'prefix', 'tag', 'route' }
for i = 1, #ARGV[6], 10 do
  local kind = kinds[string.byte(ARGV[6], i) + 1]
  if kind then
    redis.call('HSET', HEAD, kind .. (string.byte(ARGV[6], i + 1) == 1 and '_soft' or '_hard'), text(at))
  end
end

-- Names are sent whether or not the caller knew of a CDN, since one may have come meanwhile. Whoever has none to send has all CDNs told
-- too much rather than too little.
if OWN > 0 or #told(cdns) > 0 then
  local names = ARGV[13]
  if #names == 0 then
    names = EVERYTHING
  end
  for i, queue in ipairs(QUEUES) do
    if i <= OWN or is_told(cdns, queue) then
      put(queue, at, names)
    end
  end
  -- In a stream of their own: versions that know of no names read no record with a field they do not know. What stands there
  -- in the way is left over from another log.
  local function note()
    return redis.pcall('XADD', NAMES, 'MAXLEN', '~', ARGV[14], text(at), 'id', ARGV[4], 'names', names)
  end
  local noted = note()
  if type(noted) == 'table' and noted.err then
    redis.call('DEL', NAMES)
    note()
  end
end

local added = redis.pcall(
  'XADD', STREAM, 'MAXLEN', '~', ARGV[11], text(at),
  'previous', text(head.tip), 'id', ARGV[4], 'urgent', ARGV[5], 'purges', ARGV[6], 'epoch', ARGV[1]
)
if type(added) == 'table' and added.err then
  if string.find(added.err, 'equal or smaller', 1, true) then
    return { 'moved' }
  end
  error(added.err)
end
redis.call('HSET', HEAD, 'last', text(at), 'tip', text(at))
for mode, name in ipairs({ 'hard', 'soft' }) do
  if ARGV[8 + mode] == '1' then
    redis.call('HSET', HEAD, 'all_' .. name, text(at))
  end
end

for i = 15, #ARGV - 1, 2 do
  local kind, id = ARGV[i], ARGV[i + 1]
  local intent = intent_of(id)
  if intent and kind == 'sweep' then
    redis.call('ZREM', OWNED, intent.node .. id)
  elseif intent then
    drop_intent(id)
  end
end
return { 'at', text(at), text(head.tip), between, named }
