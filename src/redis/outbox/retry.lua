-- ARGV: fields that stand before those of the job in a dead letter. A letter counts as queued now: its age begins anew.
if not is_queue(DEAD) then
  return { 'ok', 0 }
end
if not there() then
  make_queue(QUEUE)
end
local letters = redis.call('XRANGE', DEAD, '-', '+')
for _, letter in ipairs(letters) do
  local fields, kept = letter[2], {}
  for i = 2 * tonumber(ARGV[1]) + 1, #fields, 2 do
    if fields[i] ~= 'at' then
      kept[#kept + 1], kept[#kept + 2] = fields[i], fields[i + 1]
    end
  end
  kept[#kept + 1], kept[#kept + 2] = 'at', string.format('%.0f', now())
  local id = next_id({ 0, 0 }, last_id(QUEUE))
  if not id then
    everything(QUEUE, { now(), 0 }, 'foreign')
    break
  end
  redis.call('XADD', QUEUE, text(id), unpack(kept))
end
redis.call('DEL', DEAD)
return { 'ok', #letters }
