// The calls of @jsforce/jsforce-node in one long session, in the order of a tour
// through its documentation, with the API version that it uses by itself.
import assert from 'node:assert/strict';
import { createSign } from 'node:crypto';
import { test } from 'node:test';

import { StreamingExtension } from '@jsforce/jsforce-node/lib/api/streaming.js';
import jsforce from '@jsforce/jsforce-node';

import { org } from './lib/org.mjs';

const oauth2 = (more = {}) => ({ loginUrl: org.url, clientId: org.clientId, clientSecret: org.clientSecret, ...more });
const password = org.password + org.securityToken;
const bare = (rows) => rows.map(({ attributes, ...row }) => row);
const CALLBACK = 'https://app.example/callback';

function assertion() {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = { iss: org.clientId, sub: org.username, aud: org.url, exp: Math.floor(Date.now() / 1000) + 120 };
  const signed = `${part({ alg: 'RS256' })}.${part(claims)}`;
  return `${signed}.${createSign('RSA-SHA256').update(signed).sign(org.privateKey, 'base64url')}`;
}

// consent does what a browser does: it opens the login page and follows it back to
// the callback, which it does not open.
async function consent(authority, params) {
  const response = await fetch(authority.getAuthorizationUrl(params), { redirect: 'manual' });
  assert.equal(response.status, 302);
  const back = new URL(response.headers.get('location'));
  assert.equal(back.origin + back.pathname, CALLBACK);
  return Object.fromEntries(back.searchParams);
}

// collect subscribes and returns a function that waits for n events.
function collect(client, channel) {
  const events = [];
  let check = () => {};
  client.subscribe(channel, (event) => {
    events.push(event);
    check();
  });
  return (n) =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${events.length} of ${n} events came`)), 20_000);
      check = () => {
        if (events.length >= n) {
          clearTimeout(timer);
          resolve([...events]);
        }
      };
      check();
    });
}

test('jsforce, step by step', async (t) => {
  const conn = new jsforce.Connection({ oauth2: oauth2({ redirectUri: CALLBACK }) });
  const accounts = conn.sobject('Account');
  let step = 0;
  // Each step needs the ones before, so that the first failure is the last.
  const it = async (name, fn) => {
    let passed = false;
    await t.test(`${++step}. ${name}`, async () => {
      await fn();
      passed = true;
    });
    assert.ok(passed, `step ${step} failed`);
  };
  const assertUser = (user) => assert.deepEqual([user.id, user.organizationId], [org.userId, org.orgId]);
  const stored = async (where, fields = 'Id, Name') => bare((await conn.query(`SELECT ${fields} FROM Account WHERE ${where} ORDER BY Name`)).records);
  let ids = [];

  await it('log in by SOAP', async () => {
    assertUser(await new jsforce.Connection({ loginUrl: org.url }).login(org.username, password));
  });
  await it('log in by OAuth password', async () => {
    assertUser(await new jsforce.Connection({ oauth2: oauth2() }).login(org.username, password));
  });
  await it('log in by client credentials', async () => {
    assertUser(await new jsforce.Connection({ oauth2: oauth2() }).authorize({ grant_type: 'client_credentials' }));
  });
  await it('log in by JWT', async () => {
    const keyOnly = new jsforce.Connection({ oauth2: { loginUrl: org.url, clientId: org.clientId } });
    assertUser(await keyOnly.authorize({ grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion: assertion() }));
  });
  await it('log in by authorization code, with a proof key', async () => {
    const authority = new jsforce.OAuth2({ ...oauth2({ redirectUri: CALLBACK }), useVerifier: true });
    const { code } = await consent(authority, {});
    const proven = new jsforce.Connection({ oauth2: authority });
    assertUser(await proven.authorize(code));
    // A code is good for once, and nothing without the key that it was asked for with.
    await assert.rejects(proven.authorize(code), { name: 'invalid_grant' });
    const stolen = (await consent(authority, {})).code;
    await assert.rejects(new jsforce.Connection({ oauth2: oauth2({ redirectUri: CALLBACK }) }).authorize(stolen), { name: 'invalid_grant' });
  });
  await it('log in by authorization code', async () => {
    const { code, state } = await consent(conn.oauth2, { scope: 'api refresh_token', state: 'a b&c' });
    assert.equal(state, 'a b&c');
    assertUser(await conn.authorize(code));
    assert.equal(conn.instanceUrl, org.url);
    assert.ok(conn.refreshToken);
  });
  await it('renew a dead session by the refresh token', async () => {
    const first = conn.accessToken;
    const renewed = [];
    conn.on('refresh', (token) => renewed.push(token));
    await conn.oauth2.revokeToken(first);
    assert.equal((await conn.query('SELECT Id FROM User')).totalSize, 1);
    assert.deepEqual(renewed, [conn.accessToken]);
    assert.notEqual(conn.accessToken, first);
  });
  await it('identity', async () => {
    const identity = await conn.identity();
    assert.deepEqual([identity.user_id, identity.organization_id, identity.username], [org.userId, org.orgId, org.username]);
  });
  await it('versions', async () => {
    const versions = await conn.request(`${org.url}/services/data`);
    assert.ok(versions.some(({ version, url }) => version === conn.version && url === `/services/data/v${conn.version}`));
  });
  await it('describe', async () => {
    const { name, fields } = await accounts.describe();
    assert.equal(name, 'Account');
    assert.equal(fields.find((field) => field.name === 'External_Id__c').externalId, true);
  });
  await it('describe everything', async () => {
    const { sobjects } = await conn.describeGlobal();
    assert.ok(sobjects.some(({ name, custom }) => name === 'Parcel__c' && custom));
  });
  await it('create one', async () => {
    const { id, success } = await accounts.create({ Name: 'Step 0' });
    assert.equal(success, true);
    assert.deepEqual(await stored("Name = 'Step 0'"), [{ Id: id, Name: 'Step 0' }]);
    ids = [id];
  });
  await it('create many', async () => {
    const results = await accounts.create([{ Name: 'Step 1' }, { Name: 'Step 2' }]);
    assert.deepEqual(results.map(({ success }) => success), [true, true]);
    ids.push(...results.map(({ id }) => id));
  });
  await it('retrieve one', async () => {
    assert.equal((await accounts.retrieve(ids[0])).Name, 'Step 0');
  });
  await it('retrieve many', async () => {
    const rows = await accounts.retrieve(ids);
    assert.deepEqual(rows.map(({ Id, Name }) => [Id, Name]), ids.map((id, i) => [id, `Step ${i}`]));
  });
  await it('update one', async () => {
    assert.equal((await accounts.update({ Id: ids[0], Phone: '0' })).success, true);
    assert.deepEqual(await stored(`Id = '${ids[0]}'`, 'Phone'), [{ Phone: '0' }]);
  });
  await it('update many', async () => {
    const results = await accounts.update(ids.slice(1).map((Id, i) => ({ Id, Phone: String(i + 1) })));
    assert.deepEqual(results.map(({ id }) => id), ids.slice(1));
    assert.deepEqual(await stored("Name LIKE 'Step %'", 'Name, Phone'), ids.map((_, i) => ({ Name: `Step ${i}`, Phone: String(i) })));
  });
  await it('upsert one', async () => {
    assert.equal((await accounts.upsert({ External_Id__c: 'STEP-3', Name: 'Step 3' }, 'External_Id__c')).success, true);
    const [{ Id }] = await stored("External_Id__c = 'STEP-3'");
    ids.push(Id);
  });
  await it('upsert many', async () => {
    const rows = [{ External_Id__c: 'STEP-3', Name: 'Step 3b' }, { External_Id__c: 'STEP-4', Name: 'Step 4' }];
    const results = await accounts.upsert(rows, 'External_Id__c');
    assert.deepEqual(results.map(({ created, id }) => [created, id === ids[3]]), [[false, true], [true, false]]);
    ids.push(results[1].id);
    assert.deepEqual(await stored("External_Id__c LIKE 'STEP-%'", 'External_Id__c, Name'), rows);
  });
  await it('query', async () => {
    assert.deepEqual((await stored("Name LIKE 'Step %'")).map(({ Id }) => Id), ids);
  });
  await it('query page by page', async () => {
    const rows = Array.from({ length: 450 }, (_, i) => ({ Name: `Paged ${String(i).padStart(3, '0')}` }));
    await accounts.create(rows, { allowRecursive: true });
    // jsforce asks for the next page with its own version and the end of the URL.
    const headers = { 'Sforce-Query-Options': 'batchSize=200' };
    let page = await conn.query("SELECT Name FROM Account WHERE Name LIKE 'Paged %' ORDER BY Name", { headers });
    const names = bare(page.records);
    const sizes = [page.records.length];
    while (!page.done) {
      page = await conn.queryMore(page.nextRecordsUrl);
      names.push(...bare(page.records));
      sizes.push(page.records.length);
    }
    assert.deepEqual(sizes, [200, 200, 50]);
    assert.deepEqual(names, rows);
  });
  await it('limits', async () => {
    const { DailyApiRequests } = await conn.limits();
    assert.ok(DailyApiRequests.Remaining < DailyApiRequests.Max && DailyApiRequests.Remaining > 0);
    assert.equal(conn.limitInfo.apiUsage.limit, DailyApiRequests.Max);
  });
  const composite = (allOrNone, name) =>
    conn.requestPost('/composite', {
      allOrNone,
      compositeRequest: [
        { method: 'POST', url: `/services/data/v${conn.version}/sobjects/Account`, referenceId: 'parent', body: { Name: name } },
        {
          method: 'POST',
          url: `/services/data/v${conn.version}/sobjects/Contact`,
          referenceId: 'child',
          body: { LastName: allOrNone ? null : 'Composed', AccountId: '@{parent.id}' },
        },
        { method: 'GET', url: `/services/data/v${conn.version}/query?q=SELECT Account.Name FROM Contact WHERE Id = '@{child.id}'`, referenceId: 'read' },
      ],
    });
  await it('composite', async () => {
    const { compositeResponse } = await composite(false, 'Composite');
    assert.deepEqual(compositeResponse.map(({ httpStatusCode, referenceId }) => [httpStatusCode, referenceId]), [[201, 'parent'], [201, 'child'], [200, 'read']]);
    assert.equal(compositeResponse[2].body.records[0].Account.Name, 'Composite');
    const [{ Contacts }] = await stored("Name = 'Composite'", '(SELECT LastName FROM Contacts)');
    assert.deepEqual(bare(Contacts.records), [{ LastName: 'Composed' }]);
  });
  await it('composite, all or none', async () => {
    const { compositeResponse } = await composite(true, 'Undone');
    assert.deepEqual(compositeResponse.map(({ httpStatusCode }) => httpStatusCode), [400, 400, 400]);
    assert.deepEqual(compositeResponse.map(({ body }) => body[0].errorCode), ['PROCESSING_HALTED', 'REQUIRED_FIELD_MISSING', 'PROCESSING_HALTED']);
    assert.deepEqual(await stored("Name = 'Undone'"), []);
  });
  await it('collections in a composite', async () => {
    const { compositeResponse } = await conn.requestPost('/composite', {
      compositeRequest: [{
        method: 'POST',
        url: `/services/data/v${conn.version}/composite/sobjects`,
        referenceId: 'all',
        body: { allOrNone: false, records: [{ attributes: { type: 'Account' }, Name: 'Collected' }, { attributes: { type: 'Account' } }] },
      }],
    });
    const [{ body }] = compositeResponse;
    assert.deepEqual(body.map(({ success }) => success), [true, false]);
    assert.deepEqual(await stored("Name = 'Collected'"), [{ Id: body[0].id, Name: 'Collected' }]);
  });
  conn.bulk2.pollInterval = 20;
  await it('bulk load', async () => {
    const input = Array.from({ length: 30 }, (_, i) => ({ Name: `Bulk ${String(i).padStart(2, '0')}` }));
    input.push({ Name: 'x'.repeat(256) });
    const job = conn.bulk2.createJob({ object: 'Account', operation: 'insert' });
    await job.open();
    await job.uploadData(input);
    await job.close();
    await job.poll(20, 30_000);
    const { successfulResults, failedResults, unprocessedRecords } = await job.getAllResults();
    assert.deepEqual([successfulResults.length, failedResults.length, unprocessedRecords.length], [30, 1, 0]);
    assert.match(failedResults[0].sf__Error, /^STRING_TOO_LONG:/);
    const rows = await stored("Name LIKE 'Bulk %'");
    assert.deepEqual(rows.map(({ Name }) => ({ Name })), input.slice(0, 30));
    assert.deepEqual(rows.map(({ Id }) => Id).sort(), successfulResults.map(({ sf__Id }) => sf__Id).sort());
  });
  await it('bulk query', async () => {
    const rows = await (await conn.bulk2.query("SELECT Id, Name FROM Account WHERE Name LIKE 'Step %' ORDER BY Name")).toArray();
    assert.deepEqual(rows, await stored("Name LIKE 'Step %'"));
  });

  const channel = '/event/Order_Event__e';
  const publish = (number) => conn.sobject('Order_Event__e').create({ Order_Number__c: number });
  const clients = [];
  const listen = (from) => {
    clients.push(conn.streaming.createClient([new StreamingExtension.Replay(channel, from)]));
    return collect(clients.at(-1), channel);
  };
  const numbers = (events) => events.map(({ payload }) => payload.Order_Number__c);
  let heard = [];
  await it('stream what was published before and what comes', async () => {
    await publish('T-1');
    await publish('T-2');
    const next = listen(-2);
    await next(2);
    await publish('T-3');
    heard = await next(3);
    assert.deepEqual(numbers(heard), ['T-1', 'T-2', 'T-3']);
  });
  await it('stream from after an event', async () => {
    assert.deepEqual(numbers(await listen(heard[0].event.replayId)(2)), ['T-2', 'T-3']);
    await Promise.all(clients.map((client) => client.disconnect()));
  });
  await it('delete one', async () => {
    assert.deepEqual(await accounts.destroy(ids[0]), { id: ids[0], success: true, errors: [] });
    assert.deepEqual(await stored(`Id = '${ids[0]}'`), []);
  });
  await it('delete many', async () => {
    const results = await accounts.destroy(ids.slice(1));
    assert.deepEqual(results.map(({ id, success }) => [id, success]), ids.slice(1).map((id) => [id, true]));
    assert.deepEqual(await stored("Name LIKE 'Step %'"), []);
  });
  await it('log out, and for good', async () => {
    const { accessToken, refreshToken } = conn;
    await conn.logout();
    const dead = new jsforce.Connection({ instanceUrl: org.url, accessToken });
    await assert.rejects(dead.query('SELECT Id FROM Account'), { errorCode: 'INVALID_SESSION_ID' });
    // The refresh token outlives the session until it is revoked itself.
    const authority = new jsforce.OAuth2(oauth2());
    const { access_token: renewed } = await authority.refreshToken(refreshToken);
    await authority.revokeToken(refreshToken);
    const orphan = new jsforce.Connection({ instanceUrl: org.url, accessToken: renewed });
    await assert.rejects(orphan.query('SELECT Id FROM Account'), { errorCode: 'INVALID_SESSION_ID' });
    await assert.rejects(authority.refreshToken(refreshToken), { name: 'invalid_grant' });
  });
});
