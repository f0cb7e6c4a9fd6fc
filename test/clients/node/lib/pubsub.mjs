import PubSubApiClient from 'salesforce-pubsub-api-client';

import { org } from './org.mjs';

const silent = { debug() {}, info() {}, warn() {}, error() {} };

// newClient builds a client for the simulated org. The package passes its own CA
// bundle to gRPC, so that a certificate of our own can only be accepted unchecked.
export function newClient(auth) {
  return new PubSubApiClient(
    { pubSubEndpoint: org.pubSubTlsAddr, rejectUnauthorizedSsl: false, ...auth },
    silent,
  );
}

export const clientCredentials = () => ({
  authType: 'oauth-client-credentials',
  loginUrl: org.url,
  clientId: org.clientId,
  clientSecret: org.clientSecret,
});

// connect logs in by client credentials and closes the client after the test.
export async function connect(t) {
  const client = newClient(clientCredentials());
  await client.connect();
  t.after(() => client.close());
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
