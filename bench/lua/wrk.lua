-- For wrk: sends the request in the file named first, each time with another number in it. The second argument tells runs apart.

local PLACE = "NUMBERNUMBERNUMB"
local parts, run, number = {}, 0, 0

function init(arguments)
  local file = assert(io.open(arguments[1], "rb"))
  local text = file:read("*a")
  file:close()
  run = tonumber(arguments[2])
  local from = 1
  while true do
    local first, last = text:find(PLACE, from, true)
    parts[#parts + 1] = text:sub(from, (first or 0) - 1)
    if not first then break end
    from = last + 1
  end
end

function request()
  number = number + 1
  return table.concat(parts, string.format("9%05d%010d", run, number))
end
