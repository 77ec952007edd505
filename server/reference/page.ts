interface Operation {
  readonly summary: string;
  readonly tags: readonly string[];
  readonly 'x-permission': string;
  readonly parameters: readonly { readonly name?: string; readonly in: string; readonly required: boolean }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: unknown }>> };
  readonly responses: Readonly<Record<string, { readonly description: string }>>;
}

/** The reference as one page that needs no script: operations by noun, with who may call them and what they take. */
export function referencePage(document: Readonly<Record<string, unknown>>): string {
  const paths = document['paths'] as Record<string, Record<string, Operation>>;
  const all = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );
  const byTag = Map.groupBy(all, ({ operation }) => operation.tags[0] ?? 'server');
  const tags = [...byTag.keys()].sort();
  const sections = tags.map(
    (tag) => `<h2 id="${escape(tag)}">${escape(tag)}</h2>${(byTag.get(tag) ?? []).map(entry).join('')}`,
  );
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Patchbay API</title>
<meta name="viewport" content="width=device-width"><style>${style}</style></head><body>
<header><h1>Patchbay API</h1><p>${all.length} operations. The same as <a href="/api/docs/openapi.json">OpenAPI 3.1</a>.</p>
<nav>${tags.map((tag) => `<a href="#${escape(tag)}">${escape(tag)}</a>`).join(' ')}</nav></header>
<main>${sections.join('')}</main></body></html>`;
}

function entry({ path, method, operation }: { path: string; method: string; operation: Operation }): string {
  const parameters = operation.parameters.map(
    (p) => `<code>${escape(p.name ?? '')}</code>${p.required ? '*' : ''} <small>${escape(p.in)}</small>`,
  );
  const body = operation.requestBody?.content['application/json']?.schema;
  const responses = Object.entries(operation.responses).map(
    ([status, { description }]) => `<li><code>${escape(status)}</code> ${escape(description)}</li>`,
  );
  return `<details><summary><b class="${method}">${method}</b> <code>${escape(path)}</code> <span>${escape(operation.summary)}</span></summary>
<p>Needs: <code>${escape(operation['x-permission'])}</code></p>
${parameters.length > 0 ? `<p>Parameters: ${parameters.join(', ')}</p>` : ''}
${body === undefined ? '' : `<p>Body:</p><pre>${escape(JSON.stringify(body, null, 2))}</pre>`}<ul>${responses.join('')}</ul></details>`;
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escape = (text: string): string => text.replaceAll(/[&<>"]/g, (c) => entities[c] ?? c);

const style = `:root{color-scheme:light dark;font:15px/1.5 system-ui,sans-serif}body{max-width:62rem;margin:2rem auto;padding:0 1rem}
nav a{margin-right:.6rem}h2{margin-top:2.2rem;border-bottom:1px solid #8884}details{border-bottom:1px solid #8882;padding:.35rem 0}
summary{cursor:pointer}summary span{opacity:.75;margin-left:.5rem}b{display:inline-block;width:4.2rem;font-size:.8rem}
.GET{color:#2a7}.POST{color:#27c}.PUT,.PATCH{color:#a70}.DELETE{color:#c33}pre{overflow:auto;background:#8881;padding:.7rem}`;
