/** The tools: what they take and what they do. */

/** Of a model. */
const answerTimeoutMs = 60_000;
const cachedSeconds = 300;

/** What a caller did wrong, or cannot have now; it may read the message. */
export class ToolError extends Error {}

const text = (description) => ({ type: 'string', description, minLength: 1, maxLength: 10_000 });

const schemas = {
  echo: { description: 'Says it again.', properties: { text: text('what to say') } },
  remember: {
    description: 'Keeps a note under a key; an older one is replaced.',
    properties: { key: text('of the note'), text: text('the note') },
  },
  recall: { description: 'Gives the note of a key.', properties: { key: text('of the note') } },
  chat: {
    description: 'Asks a model, and keeps question and answer.',
    properties: { provider: text('its name in the configuration'), prompt: text('the question') },
  },
};

/** The answer to `tools/list`. */
export const toolList = Object.entries(schemas).map(([name, { description, properties }]) => ({
  name,
  description,
  inputSchema: { type: 'object', properties, required: Object.keys(properties), additionalProperties: false },
}));

/**
 * The function that calls a tool.
 * @returns what `tools/call` answers
 * @throws ToolError; any other error is that of a store
 */
export function makeTools({ postgres, redis }, { callsPerMinute, providers }) {
  const tools = {
    echo: async ({ text }) => ({ text }),

    remember: async ({ key, text }) => {
      await postgres.query(
        `insert into notes (key, text) values ($1, $2)
         on conflict (key) do update set text = excluded.text, updated_at = now()`,
        [key, text],
      );
      // Not set: of two that write at once, the cache could keep the other one.
      await redis.del(cacheKey(key));
      return { text: 'kept' };
    },

    recall: async ({ key }) => {
      const cached = await redis.get(cacheKey(key));
      if (cached !== null) return { text: cached, from: 'redis' };
      const { rows } = await postgres.query('select text from notes where key = $1', [key]);
      if (rows.length === 0) throw new ToolError(`there is no note ${JSON.stringify(key)}`);
      await redis.set(cacheKey(key), rows[0].text, 'EX', cachedSeconds);
      return { text: rows[0].text, from: 'postgres' };
    },

    chat: async ({ provider, prompt }) => {
      const found = providers.get(provider);
      if (!found)
        throw new ToolError(`there is no provider ${JSON.stringify(provider)}; there are ${[...providers.keys()]}`);
      const answer = await askModel(found, prompt);
      await postgres.query('insert into chats (provider, prompt, answer) values ($1, $2, $3)', [
        provider,
        prompt,
        answer,
      ]);
      return { text: answer, from: provider };
    },
  };

  return async (name, given) => {
    checkArguments(name, given);
    await count(redis, callsPerMinute);
    const { text, ...rest } = await tools[name](given);
    return { content: [{ type: 'text', text }], structuredContent: { text, ...rest } };
  };
}

const cacheKey = (key) => `exai:note:${key}`;

function checkArguments(name, given) {
  if (!Object.hasOwn(schemas, name)) throw new ToolError(`there is no tool ${JSON.stringify(name)}`);
  const { properties } = schemas[name];
  for (const [key, { maxLength }] of Object.entries(properties)) {
    const value = Object(given)[key];
    if (typeof value !== 'string' || value === '' || value.length > maxLength || value.includes('\0'))
      throw new ToolError(`"${key}" must be a text of 1 to ${maxLength} characters`);
  }
}

/** All callers have one token, and so one count. */
async function count(redis, callsPerMinute) {
  const key = `exai:calls:${Math.floor(Date.now() / 60_000)}`;
  const calls = await redis.incr(key);
  if (calls === 1) await redis.expire(key, 120);
  if (calls > callsPerMinute) throw new ToolError(`more than ${callsPerMinute} calls in this minute`);
}

/** OpenAI's chat completions, which both providers speak. */
async function askModel({ url, model, key }, prompt) {
  const question = {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model, messages: [{ role: 'user', content: prompt }] }),
    signal: AbortSignal.timeout(answerTimeoutMs),
  };
  const response = await fetch(`${url}/chat/completions`, question).catch((error) => {
    throw new ToolError(`${new URL(url).host} does not answer: ${error.cause?.message ?? error.message}`);
  });
  const answer = (await response.json().catch(() => undefined))?.choices?.[0]?.message?.content;
  if (!response.ok || typeof answer !== 'string')
    throw new ToolError(`${new URL(url).host} answered ${response.status}`);
  return answer;
}
