"""The pieces of Lua that a dissector is put together from; what stands in single braces is filled in."""

START = """\
-- A dissector for Wireshark of {name}'s messages, made by: twisted-lab dissector {name}
-- Use: tshark -X lua_script:FILE -r CAPTURE; for another port than {port}: -d tcp.port==PORT,{protocol}

local protocol = Proto("{protocol}", "{name}")
local FIXED, LONGEST, PORT = {fixed}, {longest}, {port}
local fields = {{}}
"""

JSON_SCAN = r"""
-- A JSON object's own keys: for each where its value stands, and the value as text.

local function skip_string(text, at)
    local from = at + 1
    while true do
        local found = text:find('["\\]', from)
        if not found then return nil end
        if text:sub(found, found) == '"' then return found + 1 end
        from = found + 2
    end
end

local function skip_value(text, at)
    local first = text:sub(at, at)
    if first == '"' then return skip_string(text, at) end
    if first ~= '{' and first ~= '[' then return text:match('^[^,%]}%s]+()', at) end
    local depth = 0
    repeat
        at = text:find('["%[%]{}]', at)
        if not at then return nil end
        local sign = text:sub(at, at)
        if sign == '"' then
            at = skip_string(text, at)
        else
            depth = depth + ((sign == '{' or sign == '[') and 1 or -1)
            at = at + 1
        end
    until depth == 0 or not at
    return at
end

local function unquote(text)
    local plain = text:match('^"(.*)"$')
    if not plain then return text end
    plain = plain:gsub('\\u00([2-7]%x)', function(digits) return string.char(tonumber(digits, 16)) end)
    return (plain:gsub('\\(["\\/])', '%1'))
end

local function scan(text)
    local object, at = {}, text:match('^%s*{%s*()')
    while at and text:sub(at, at) == '"' do
        local after = skip_string(text, at)
        local from = after and text:match('^%s*:%s*()', after)
        local to = from and skip_value(text, from)
        if not to then break end
        object[unquote(text:sub(at, after - 1))] = {from = from - 1, length = to - from, text = text:sub(from, to - 1)}
        at = text:match('^%s*,%s*()', to)
    end
    return object
end

local function number_of(object, key)
    local value = object[key] and tonumber(object[key].text) or 0
    return math.floor(math.max(0, math.min(value, LONGEST)))
end
"""

NUMBER = """
    do
        if tvb:len() - at < {length} then return nil end
        local range = tvb(at, {length})
        values["{name}"] = range:uint()
        if values["{name}"] > {most} then return -1 end
        if tree then tree:add(fields["{name}"], range) end
        at = at + {length}
    end
"""

OBJECT = """
    do
        local length = {length}
        if tvb:len() - at < length then return nil end
        local text = length > 0 and tvb(at, length):raw() or ""
        local object = scan(text)
        values["{name}"] = object
        if tree and length > 0 then
            local branch = tree:add(fields["{name}"], tvb(at, length), text)
            local function show(field, name)
                local value = object[name]
                if value then
                    local plain = unquote(value.text)
                    branch:add(field, tvb(at + value.from, value.length), plain)
                    words[#words + 1] = name == "type" and plain or name .. "=" .. plain
                end
            end
{keys}        end
        at = at + length
    end
"""

KEY = """\
            show(fields["{field}"], "{key}")
"""

BYTES = """
    do
        local length = {length}
        local there = math.min(length, tvb:len() - at)
        if tree and there > 0 then tree:add(fields["{name}"], tvb(at, there)) end
        at = at + length
    end
"""

END = """
protocol.fields = fields

-- Give how long the message is that begins there: nil while that can't be known, -1 if it breaks the protocol.
-- With a tree its fields are put into that, and what it says into words.
local function walk(tvb, start, tree, words)
    local values, at = {{}}, start
    local left = tvb:len() - start
{steps}
    return at - start
end

local function length_of(tvb, pinfo, offset)
    local length = walk(tvb, offset)
    if not length then return 0 end  -- more is needed to know
    if length < 0 then return tvb:len() - offset end
    return math.min(length, LONGEST)
end

local messages = 0

local function dissect(tvb, pinfo, root)
    local tree = root:add(protocol, tvb())
    local words = {{}}
    local length = walk(tvb, 0, tree, words)
    if length == -1 then words = {{"(this breaks the protocol)"}} end
    if #words == 0 then words[1] = tvb:len() .. " bytes" end
    local text = table.concat(words, " ")
    tree:append_text(", " .. text)
    pinfo.cols.protocol = protocol.name
    if messages == 0 then pinfo.cols.info = text else pinfo.cols.info:append("; " .. text) end
    messages = messages + 1
    return tvb:len()
end

function protocol.dissector(tvb, pinfo, root)
    messages = 0
    if {bare} then return dissect(tvb, pinfo, root) end
    dissect_tcp_pdus(tvb, root, FIXED, length_of, dissect)
    return tvb:len()
end

DissectorTable.get("tcp.port"):add(PORT, protocol)
"""
