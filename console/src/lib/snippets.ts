/** The same call as a program makes it. The key is never written out: it is the variable `SEKISHO_KEY`. */
export type SnippetName = "curl" | "python" | "typescript" | "environment";

const quote = (text: string) => text.replaceAll("'", "'\\''");

export function snippets(base: string, body: Record<string, unknown>): Record<SnippetName, string> {
  const json = JSON.stringify(body, null, 2).replaceAll("\n", "\n  ");
  const python = Object.entries(body)
    .map(([name, value]) => `    ${name}=${JSON.stringify(value).replaceAll(":true", ":True").replaceAll(":false", ":False").replace(/^true$/, "True").replace(/^false$/, "False")},`)
    .join("\n");
  const streamed = body["stream"] === true;
  return {
    curl: `curl ${base}/v1/chat/completions \\\n  -H "Authorization: Bearer $SEKISHO_KEY" \\\n  -H "Content-Type: application/json" \\\n  -d '${quote(json)}'`,
    python: `import os\nfrom openai import OpenAI\n\nclient = OpenAI(base_url="${base}/v1", api_key=os.environ["SEKISHO_KEY"])\nanswer = client.chat.completions.create(\n${python}\n)\n${
      streamed ? 'for chunk in answer:\n    if chunk.choices:\n        print(chunk.choices[0].delta.content or "", end="")' : "print(answer.choices[0].message.content)"
    }`,
    typescript: `import OpenAI from "openai";\n\nconst client = new OpenAI({ baseURL: "${base}/v1", apiKey: process.env.SEKISHO_KEY });\nconst answer = await client.chat.completions.create(${JSON.stringify(body, null, 2)});\n${
      streamed ? 'for await (const chunk of answer) process.stdout.write(chunk.choices[0]?.delta.content ?? "");' : "console.log(answer.choices[0].message.content);"
    }`,
    environment: `export OPENAI_BASE_URL=${base}/v1\nexport OPENAI_API_KEY=$SEKISHO_KEY`,
  };
}
