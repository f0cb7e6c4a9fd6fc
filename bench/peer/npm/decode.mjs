// What an application does that takes the npm client: it subscribes from the
// earliest event and lets the client decode. Nothing is kept and nothing is
// written as JSON. (underscore is a dependency that avro-js forgot to name.)
import { parseArgs } from 'node:util';
import readline from 'node:readline';
import PubSubApiClient from 'salesforce-pubsub-api-client';

const { values } = parseArgs({
  options: { bus: { type: 'string' }, events: { type: 'string' }, warm: { type: 'string' } },
});
const events = Number(values.events);
const warm = Number(values.warm);
const say = (message) => process.stdout.write(JSON.stringify({ at: new Date().toISOString(), ...message }) + '\n');

const quiet = { debug() {}, info() {}, warn() {}, error: console.error };
const client = new PubSubApiClient(
  {
    authType: 'user-supplied',
    accessToken: '00D000000000001EAA!bench',
    instanceUrl: 'https://localhost',
    organizationId: '00D000000000001EAA',
    pubSubEndpoint: values.bus.replace('127.0.0.1', 'localhost'),
    rejectUnauthorizedSsl: false,
  },
  quiet,
);
await client.connect();

let count = 0;
let bad = 0;
client.subscribeFromEarliestEvent('/data/AccountChangeEvent', (subscription, callbackType, data) => {
  switch (callbackType) {
    case 'event':
    case 'lastEvent': {
      if (callbackType === 'lastEvent' && !data) return;
      if (!data.payload.ChangeEventHeader || !data.payload.Name) bad++;
      count++;
      if (count === warm) say({ is: 'warm' });
      if (count === events) say({ is: 'done' });
      break;
    }
    case 'error':
      console.error(data);
      process.exit(1);
  }
});

readline.createInterface({ input: process.stdin }).on('close', () => {
  say({ is: 'counted', count, bad });
  process.exit(0);
});
