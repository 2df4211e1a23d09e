-- The path of the command line, which ends in 0, and those of the other numbers below `count`, one after the other: hits on
-- one key may share the look for it, and what is to be measured is the look.
local count = tonumber(os.getenv("COUNT"))
local requests, next = {}, 0

function init()
  for number = 0, count - 1 do
    requests[number] = wrk.format(nil, (wrk.path:gsub("0$", number)))
  end
end

function request()
  next = (next + 1) % count
  return requests[next]
end
