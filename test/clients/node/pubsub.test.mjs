// salesforce-pubsub-api-client against the simulated org: logins, publish,
// subscribe, replay, credit, change events, errors.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import jsforce from '@jsforce/jsforce-node';

import { Inbox } from './lib/inbox.mjs';
import { org } from './lib/org.mjs';
import { clientCredentials, connect, newClient, orderEvent, toAvro } from './lib/pubsub.mjs';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const INVALID_ARGUMENT = 3;
const NOT_FOUND = 5;
const PERMISSION_DENIED = 7;
const UNAUTHENTICATED = 16;

const orders = (prefix, n) => Array.from({ length: n }, (_, i) => orderEvent(`${prefix}-${String(i).padStart(4, '0')}`));
const numbers = (events) => events.map((event) => event.payload.Order_Number__c);

async function restConnection(t, options = {}) {
  const conn = new jsforce.Connection({
    loginUrl: org.url,
    oauth2: { loginUrl: org.url, clientId: org.clientId, clientSecret: org.clientSecret },
    ...options,
  });
  await conn.authorize({ grant_type: 'client_credentials' });
  return conn;
}

// publishAll publishes one by one and returns the results in order.
async function publishAll(client, topic, events) {
  const results = [];
  for (const event of events) {
    results.push(await client.publish(topic, toAvro(event)));
  }
  return results;
}

async function publishBatches(client, topic, events, size) {
  const confirmations = new Inbox();
  const batches = [];
  for (let i = 0; i < events.length; i += size) {
    batches.push(events.slice(i, i + size));
  }
  for (const batch of batches) {
    await client.publishBatch(topic, batch.map((event) => ({ payload: toAvro(event) })), confirmations.callback);
  }
  const responses = await confirmations.times('publishResponse', batches.length);
  return responses.flatMap((response) => response.results);
}

function assertIncreasing(values) {
  for (let i = 1; i < values.length; i++) {
    assert.ok(values[i] > values[i - 1], `replay id ${values[i]} follows ${values[i - 1]}`);
  }
}

test('logins', async (t) => {
  const logins = {
    'client credentials': clientCredentials(),
    'JWT bearer': {
      authType: 'oauth-jwt-bearer',
      loginUrl: org.url,
      clientId: org.clientId,
      username: org.username,
      privateKey: org.privateKey,
    },
    'username and password over SOAP': {
      authType: 'username-password',
      loginUrl: org.url,
      username: org.username,
      password: org.password,
      userToken: org.securityToken,
    },
  };
  for (const [name, auth] of Object.entries(logins)) {
    await t.test(name, async (t) => {
      const client = newClient(auth);
      await client.connect();
      t.after(() => client.close());
      const result = await client.publish('/event/Order_Event__e', toAvro(orderEvent(name)), `login-${name}`);
      assert.equal(result.correlationKey, `login-${name}`);
      assert.ok(result.replayId > 0, `replay id ${result.replayId}`);
    });
  }

  await t.test('user supplied', async (t) => {
    const conn = await restConnection(t);
    const client = newClient({
      authType: 'user-supplied',
      accessToken: conn.accessToken,
      // The client takes nothing but https here and only passes it on as metadata.
      instanceUrl: org.url.replace(/^http:/, 'https:'),
    });
    await client.connect();
    t.after(() => client.close());
    const result = await client.publish('/event/Order_Event__e', toAvro(orderEvent('user supplied')));
    assert.match(result.correlationKey, UUID);
  });

  await t.test('wrong secret', async () => {
    const client = newClient({ ...clientCredentials(), clientSecret: 'wrong' });
    await assert.rejects(client.connect(), (error) => {
      assert.equal(error.message, 'Failed to authenticate with Salesforce');
      assert.match(error.cause.message, /HTTP 40[01] - .*"error":"invalid_client"/);
      return true;
    });
  });

  await t.test('wrong token', async (t) => {
    const client = newClient({
      authType: 'user-supplied',
      accessToken: `${org.orgId}!nobody.has.this.token`,
      instanceUrl: org.url.replace(/^http:/, 'https:'),
    });
    await client.connect();
    t.after(() => client.close());
    const inbox = new Inbox();
    client.subscribeFromEarliestEvent('/event/Order_Event__e', inbox.callback, 1);
    const { data: error } = await inbox.first('error');
    assert.equal(error.code, UNAUTHENTICATED);
    assert.deepEqual(error.metadata.get('error-code'), ['sfdc.platform.eventbus.grpc.service.auth.error']);
  });
});

test('publish one, receive it whole', async (t) => {
  const client = await connect(t);
  const topic = '/event/Single_Event__e';
  const sent = [
    orderEvent('S-1', { Amount__c: 1234.56, Paid__c: true, Placed_At__c: Date.UTC(2026, 0, 31, 23, 59, 59), Notes__c: 'Grüße, 世界 🚚' }),
    orderEvent('S-2', { Amount__c: -0.5, Paid__c: false, Placed_At__c: 0, Notes__c: '' }),
    orderEvent('S-3'),
  ];
  const results = await publishAll(client, topic, sent);
  const inbox = new Inbox();
  client.subscribeFromEarliestEvent(topic, inbox.callback, sent.length);
  await inbox.first('lastEvent');

  const received = inbox.inOrder();
  // A payload comes back with the prototype of its Avro record: compare values.
  assert.deepEqual(received.map((event) => ({ ...event.payload })), sent);
  assert.deepEqual(received.map((event) => event.replayId), results.map((result) => result.replayId));
  assert.deepEqual(received.map((event) => event.id), results.map((result) => result.correlationKey));
  assert.equal(new Set(received.map((event) => event.schemaId)).size, 1);
});

test('an event published by REST has the UUID that REST answered', async (t) => {
  const client = await connect(t);
  const conn = await restConnection(t);
  const inbox = new Inbox();
  client.subscribeFromEarliestEvent('/event/Order_Event__e', inbox.callback);

  const saved = await conn.sobject('Order_Event__e').create({
    Order_Number__c: 'REST-1',
    Amount__c: 99.95,
    Paid__c: true,
    Placed_At__c: '2026-08-20T11:30:00.000+02:00',
    Notes__c: 'by REST',
  });
  const uuid = saved.errors[0].message;
  let seen = 0;
  let found;
  while (!found) {
    found = (await inbox.eventCount(seen + 1)).slice(seen).find((event) => event.id === uuid);
    seen = inbox.events.length;
  }
  const { CreatedDate, ...payload } = found.payload;
  assert.deepEqual(payload, {
    CreatedById: org.userId,
    Order_Number__c: 'REST-1',
    Amount__c: 99.95,
    Paid__c: true,
    Placed_At__c: Date.UTC(2026, 7, 20, 9, 30, 0),
    Notes__c: 'by REST',
  });
  assert.equal(typeof CreatedDate, 'number');
});

test('publish stream confirms every event of every batch', async (t) => {
  const client = await connect(t);
  const topic = '/event/Batch_Event__e';
  const sent = orders('B', 60);
  const keys = sent.map((event) => `key-${event.Order_Number__c}`);
  const confirmations = new Inbox();
  for (let i = 0; i < sent.length; i += 20) {
    const batch = sent.slice(i, i + 20).map((event, k) => ({ id: keys[i + k], payload: toAvro(event) }));
    await client.publishBatch(topic, batch, confirmations.callback);
  }
  const responses = await confirmations.times('publishResponse', 3);
  assert.deepEqual(responses.map((response) => response.results.length), [20, 20, 20]);
  const results = responses.flatMap((response) => response.results);
  assert.deepEqual(results.map((result) => result.correlationKey), keys);
  assertIncreasing(results.map((result) => result.replayId));

  await t.test('all at once', async (t) => {
    const reader = await connect(t);
    const inbox = new Inbox();
    reader.subscribeFromEarliestEvent(topic, inbox.callback, sent.length);
    await inbox.first('lastEvent');
    assert.deepEqual(inbox.inOrder().map((event) => ({ ...event.payload })), sent);
    assert.deepEqual(inbox.inOrder().map((event) => event.replayId), results.map((result) => result.replayId));
  });

  await t.test('one at a time, in the order of the bus', async (t) => {
    const reader = await connect(t);
    const inbox = new Inbox();
    const askForOneMore = (info, type, data) => {
      inbox.callback(info, type, data);
      if (type === 'lastEvent' && inbox.events.length < sent.length) {
        reader.requestAdditionalEvents(topic, 1);
      }
    };
    reader.subscribeFromEarliestEvent(topic, askForOneMore, 1);
    await inbox.times('lastEvent', sent.length);
    assert.deepEqual(inbox.events.map((event) => ({ ...event.payload })), sent);
  });
});

test('replay gives exactly the later events', async (t) => {
  const topic = '/event/Replay_Event__e';
  const publisher = await connect(t);
  const sent = orders('R', 12);
  const results = await publishAll(publisher, topic, sent);
  const all = sent.map((event) => event.Order_Number__c);

  for (const after of [0, 5, 10]) {
    await t.test(`after event ${after}`, async (t) => {
      const client = await connect(t); // a client keeps one subscription per topic
      const inbox = new Inbox();
      client.subscribeFromReplayId(topic, inbox.callback, all.length - after - 1, results[after].replayId);
      await inbox.first('lastEvent');
      assert.deepEqual(numbers(inbox.inOrder()), all.slice(after + 1));
    });
  }

  await t.test('after the last one comes the next to be published', async (t) => {
    const client = await connect(t);
    const inbox = new Inbox();
    client.subscribeFromReplayId(topic, inbox.callback, 1, results.at(-1).replayId);
    const [result] = await publishAll(publisher, topic, [orderEvent('R-next')]);
    await inbox.first('lastEvent');
    assert.deepEqual(numbers(inbox.events), ['R-next']);
    assert.equal(inbox.events[0].replayId, result.replayId);
  });

  await t.test('an unknown replay id is refused', async (t) => {
    const client = await connect(t);
    const inbox = new Inbox();
    client.subscribeFromReplayId(topic, inbox.callback, 1, results.at(-1).replayId + 1_000_000);
    const { data: error } = await inbox.first('error');
    assert.equal(error.code, INVALID_ARGUMENT);
    assert.deepEqual(error.metadata.get('error-code'), [
      'sfdc.platform.eventbus.grpc.subscription.fetch.replayid.corrupted',
    ]);
    assert.deepEqual(inbox.events, []);
  });
});

test('latest, with credit topped up', async (t) => {
  const topic = '/event/Credit_Event__e';
  const publisher = await connect(t);
  await publishAll(publisher, topic, orders('before', 3));

  const client = await connect(t);
  const inbox = new Inbox();
  client.subscribe(topic, inbox.callback, 4);
  // Nothing confirms a subscription to the tip: it is there when a mark arrives.
  let marks = 0;
  while (inbox.events.length === 0) {
    assert.ok(marks < 2000, 'no mark arrived');
    await publishAll(publisher, topic, [orderEvent(`mark-${marks++}`)]);
  }
  // Marks on their way use up credit too: spend what is left, then start afresh.
  await publishAll(publisher, topic, orders('rest', 10));
  await inbox.first('lastEvent');
  assert.equal(inbox.events.length, 4);
  assert.equal(numbers(inbox.events).some((number) => number.startsWith('before')), false);

  // Nothing moves without credit, whatever is published meanwhile.
  await publishAll(publisher, topic, orders('after', 6));
  assert.equal(inbox.events.length, 4);

  // There is more to have than is asked for. An event too many would be on the
  // connection before the answer to a publish on the same one.
  client.requestAdditionalEvents(topic, 5);
  await inbox.times('lastEvent', 2);
  await publishAll(client, '/event/Order_Event__e', [orderEvent('settle')]);
  assert.equal(inbox.events.length, 9);
  client.requestAdditionalEvents(topic, 1);
  await inbox.times('lastEvent', 3);

  // Over all the refills: no hole and no event twice.
  const reader = await connect(t);
  const everything = new Inbox();
  reader.subscribeFromEarliestEvent(topic, everything.callback, 3 + marks + 16);
  await everything.first('lastEvent');
  const onTheBus = everything.inOrder();
  const [earliest] = inbox.inOrder();
  const start = onTheBus.findIndex((event) => event.id === earliest.id);
  assert.ok(start >= 3, `subscription to the tip began at event ${start}`);
  assert.deepEqual(
    inbox.inOrder().map(({ id, replayId }) => ({ id, replayId })),
    onTheBus.slice(start, start + 10).map(({ id, replayId }) => ({ id, replayId })),
  );
});

test('an open-ended subscription asks for more by itself', async (t) => {
  const topic = '/event/Flood_Event__e';
  const client = await connect(t);
  const sent = orders('F', 350); // the client asks for 100 at a time
  const results = await publishBatches(client, topic, sent, 70);
  const inbox = new Inbox();
  client.subscribeFromEarliestEvent(topic, inbox.callback);
  await inbox.eventCount(sent.length);
  assert.deepEqual(numbers(inbox.inOrder()), sent.map((event) => event.Order_Number__c));
  assert.deepEqual(inbox.inOrder().map((event) => event.replayId), results.map((result) => result.replayId));
});

test('change events of a record', async (t) => {
  const client = await connect(t);
  const conn = await restConnection(t, { version: '62.0', callOptions: { client: 'clients-suite' } });
  const inbox = new Inbox();
  client.subscribeFromEarliestEvent('/data/AccountChangeEvent', inbox.callback);

  const { id } = await conn.sobject('Account').create({
    Name: 'Umbrella Freight',
    Phone: '+31 20 555 0100',
    Description: 'first',
    AnnualRevenue: 1250000,
    NumberOfEmployees: 42,
    BillingStreet: 'Kade 1',
    BillingCity: 'Amsterdam',
  });
  await conn.sobject('Account').update({ Id: id, Phone: '+31 20 555 0199', Description: null, BillingCity: 'Utrecht' });
  await conn.sobject('Account').destroy(id);
  await inbox.eventCount(3);
  const [created, updated, deleted] = inbox.inOrder();

  const headers = [created, updated, deleted].map((event) => event.payload.ChangeEventHeader);
  assert.deepEqual(headers.map((header) => header.changeType), ['CREATE', 'UPDATE', 'DELETE']);
  for (const header of headers) {
    assert.equal(header.entityName, 'Account');
    assert.deepEqual([...header.recordIds], [id]);
    assert.equal(header.changeOrigin, 'com/salesforce/api/rest/62.0;client=clients-suite');
    assert.equal(header.commitUser, org.userId);
    assert.equal(header.sequenceNumber, 1);
    assert.match(header.transactionKey, UUID);
  }
  assert.equal(new Set(headers.map((header) => header.transactionKey)).size, 3);
  // Commit numbers are past what a double can count; the client hands over a BigInt.
  assert.deepEqual(headers.map((header) => typeof header.commitNumber), ['bigint', 'bigint', 'bigint']);
  assertIncreasing(headers.map((header) => header.commitNumber));

  assert.equal(created.payload.Name, 'Umbrella Freight');
  assert.equal(created.payload.Phone, '+31 20 555 0100');
  assert.equal(created.payload.Description, 'first');
  assert.equal(created.payload.AnnualRevenue, 1250000);
  assert.equal(created.payload.NumberOfEmployees, 42);
  assert.equal(created.payload.BillingAddress.Street, 'Kade 1');
  assert.equal(created.payload.BillingAddress.City, 'Amsterdam');
  assert.equal(created.payload.Website, null);
  assert.deepEqual(headers[0].changedFields, []);

  assert.deepEqual(headers[1].nulledFields, ['Description']);
  assert.deepEqual(headers[1].diffFields, []);
  assert.deepEqual(new Set(headers[1].changedFields), new Set(['Phone', 'Description', 'LastModifiedDate', 'BillingAddress.City']));
  assert.equal(updated.payload.Phone, '+31 20 555 0199');
  assert.equal(updated.payload.Description, null);
  assert.equal(updated.payload.BillingAddress.City, 'Utrecht');
  assert.equal(updated.payload.BillingAddress.Street, null);
  assert.equal(updated.payload.Name, null);
  assert.equal(typeof updated.payload.LastModifiedDate, 'number');

  const { ChangeEventHeader: _, ...body } = deleted.payload;
  assert.deepEqual(Object.values(body).filter((value) => value !== null), []);
});

test('the channel of all changes carries every selected object in order of commit', async (t) => {
  const client = await connect(t);
  const conn = await restConnection(t);
  const inbox = new Inbox();
  client.subscribeFromEarliestEvent('/data/ChangeEvents', inbox.callback);
  const account = await conn.sobject('Account').create({ Name: 'Channel' });
  const parcel = await conn.sobject('Parcel__c').create({ Code__c: 'CH-1', Account__c: account.id, Weight__c: 2.125 });
  const mine = () => inbox.inOrder().filter((event) => [account.id, parcel.id].includes(event.payload.ChangeEventHeader.recordIds[0]));
  let seen = 0;
  while (mine().length < 2) {
    await inbox.eventCount(seen + 1);
    seen = inbox.events.length;
  }
  const [first, second] = mine();
  assert.equal(first.payload.ChangeEventHeader.entityName, 'Account');
  assert.equal(first.payload.Name, 'Channel');
  assert.equal(second.payload.ChangeEventHeader.entityName, 'Parcel__c');
  assert.equal(second.payload.Code__c, 'CH-1');
  assert.equal(second.payload.Account__c, account.id);
  assert.equal(second.payload.Weight__c, 2.125);
  assert.equal(second.payload.Fragile__c, false);
});

test('an unknown topic is refused', async (t) => {
  const client = await connect(t);
  const refused = (error) => [NOT_FOUND, PERMISSION_DENIED].includes(error.code);
  await assert.rejects(client.publish('/event/Nothing__e', {}), (error) => refused(error.cause));
  const inbox = new Inbox();
  client.subscribe('/event/Nothing__e', inbox.callback, 1);
  const { data: error } = await inbox.first('error');
  assert.ok(refused(error), `code ${error.code}`);
});
