-- One chat request, said again on every connection. The bench passes what varies through the environment, so that no key
-- stands in an argument list: BENCH_MODEL, BENCH_KEY, BENCH_KIND (plain, stream or image), BENCH_HEADERS (name=value;...).
local kind = os.getenv("BENCH_KIND") or "plain"
local model = os.getenv("BENCH_MODEL") or "gpt-4o-mini"

local question = "Which river flows through Kyoto, and in which direction? Answer in one short sentence, please."
local content = '"' .. question .. '"'
if kind == "image" then
   -- Ten million bytes of base64 text: what an inline picture looks like to a parser that only has to pass it on.
   local picture = string.rep("k7Qd0aZr+Xv3/NbM", 10 * 1000 * 1000 / 16)
   content = '[{"type":"text","text":"' .. question .. '"},{"type":"image_url","image_url":{"url":"data:image/png;base64,' .. picture .. '"}}]'
end

wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer " .. (os.getenv("BENCH_KEY") or "none")
for name, value in string.gmatch(os.getenv("BENCH_HEADERS") or "", "([^=;]+)=([^;]+)") do
   wrk.headers[name] = value
end
wrk.body = '{"model":"' .. model .. '"'
   .. (kind == "stream" and ',"stream":true' or "")
   .. ',"messages":[{"role":"system","content":"You know rivers well and keep your answers short."},{"role":"user","content":'
   .. content .. '}],"temperature":0.7}'

-- The summary in a form that a program reads; latencies in microseconds.
function done(summary, latency, requests)
   local e = summary.errors
   io.write(string.format(
      '\nBENCH {"requests":%d,"duration_us":%d,"bytes":%d,"p50_us":%d,"p90_us":%d,"p99_us":%d,"max_us":%d,'
      .. '"connect_errors":%d,"read_errors":%d,"write_errors":%d,"status_errors":%d,"timeouts":%d}\n',
      summary.requests, summary.duration, summary.bytes,
      latency:percentile(50), latency:percentile(90), latency:percentile(99), latency.max,
      e.connect, e.read, e.write, e.status, e.timeout))
end
