import assert from 'node:assert/strict';

import PubSubApiClient from 'salesforce-pubsub-api-client';

import { org } from './org.mjs';

// ArrivalLog is the client's logger. What the client logs when a response comes in is
// the one place where it tells the order on the wire.
class ArrivalLog {
  #latest = new Map(); // by topic
  responses = 0;

  debug() {}
  warn() {}
  error() {}

  info(line) {
    const [, topic, replayId] = /^(\S+) - Received \d+ events, latest replay ID: (\d+)$/.exec(line) ?? [];
    if (topic) {
      this.responses++;
      this.#latest.set(topic, [...(this.#latest.get(topic) ?? []), Number(replayId)]);
    }
  }

  assertInOrder() {
    for (const [topic, ids] of this.#latest) {
      assert.deepEqual(ids, [...new Set(ids)].sort((a, b) => a - b), `order of the responses on ${topic}`);
    }
  }
}

// newClient builds a client for the simulated org. The package passes its own CA
// bundle to gRPC, so that a certificate of our own can only be accepted unchecked.
export function newClient(auth, logger = new ArrivalLog()) {
  return new PubSubApiClient(
    { pubSubEndpoint: org.pubSubTlsAddr, rejectUnauthorizedSsl: false, ...auth },
    logger,
  );
}

export const clientCredentials = () => ({
  authType: 'oauth-client-credentials',
  loginUrl: org.url,
  clientId: org.clientId,
  clientSecret: org.clientSecret,
});

// connect logs in by client credentials. After the test it closes the client and
// checks that responses came in the order of the bus.
export async function connect(t) {
  const arrivals = new ArrivalLog();
  const client = newClient(clientCredentials(), arrivals);
  await client.connect();
  t.after(() => {
    client.close();
    arrivals.assertInOrder();
  });
  return client;
}

// orderEvent is an event as a subscriber sees it; toAvro gives the form that the
// client publishes, where a nullable value names its branch.
export function orderEvent(number, fields = {}) {
  return {
    CreatedDate: Date.UTC(2026, 7, 20, 9, 0, 0),
    CreatedById: org.userId,
    Order_Number__c: number,
    Amount__c: null,
    Paid__c: null,
    Placed_At__c: null,
    Notes__c: null,
    ...fields,
  };
}

const BRANCH = { Order_Number__c: 'string', Amount__c: 'double', Paid__c: 'boolean', Placed_At__c: 'long', Notes__c: 'string' };

export function toAvro(event) {
  return Object.fromEntries(
    Object.entries(event).map(([name, value]) => [name, BRANCH[name] && value !== null ? { [BRANCH[name]]: value } : value]),
  );
}
