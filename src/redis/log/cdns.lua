-- Which CDNs the nodes of this log have, so that a node that has not heard of one queues its purges all the same: it may run
-- with an older configuration. The head has a line for each: its name, and when a node that has it was last heard of, or 0
-- once that was too long ago. Such a line stays: whoever has the CDN again must know that it was not told of all.

-- The first of QUEUES are those of the CDNs that the caller has; of the others it was told.
local OWN = tonumber(ARGV[#ARGV])
-- As long as a purge is tried by default until it is given up: longer than an update of a fleet takes, and than a night in which
-- nobody is there who has the CDN. What is queued for it until then is bounded like any queue.
local FORGOTTEN = 86400000
-- So that not every heartbeat has to change the head.
local REFRESHED = 60000
-- A node that has the CDN would have been heard of by then, also where it started again.
local DESERTED = 180000

-- HEAD ends with as many bytes as 'cdn:' has.
local function cdn_of(queue)
  return string.sub(queue, #HEAD + 1)
end

local function cdns_of(head)
  local cdns = {}
  for name, seen in string.gmatch(head.cdns, '([^\n]+) (%d+)\n') do
    cdns[name] = tonumber(seen)
  end
  return cdns
end

local function is_told(cdns, queue)
  return (cdns[cdn_of(queue)] or 0) > 0
end

local function told(cdns)
  local names = {}
  for name, seen in pairs(cdns) do
    if seen > 0 then
      names[#names + 1] = name
    end
  end
  table.sort(names)
  return names
end

-- Whether the caller named all queues that purges have to go into.
local function has_all(cdns)
  local named = {}
  for _, queue in ipairs(QUEUES) do
    named[cdn_of(queue)] = true
  end
  for _, name in ipairs(told(cdns)) do
    if not named[name] then
      return false
    end
  end
  return true
end

local function note_cdns(cdns)
  local lines = {}
  for name, seen in pairs(cdns) do
    lines[#lines + 1] = name .. ' ' .. string.format('%.0f', seen) .. '\n'
  end
  table.sort(lines)
  redis.call('HSET', HEAD, 'cdns', table.concat(lines))
end
