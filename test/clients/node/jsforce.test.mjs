// @jsforce/jsforce-node against the simulated org: logins, rows, queries with
// paging, describe, upsert, events, errors.
import assert from 'node:assert/strict';
import { createSign } from 'node:crypto';
import { test } from 'node:test';

import jsforce from '@jsforce/jsforce-node';

import { org } from './lib/org.mjs';

const ID = /^[a-zA-Z0-9]{18}$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const DATETIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000\+0000$/;

const oauth2 = () => ({ loginUrl: org.url, clientId: org.clientId, clientSecret: org.clientSecret });

async function connect(options = {}) {
  const conn = new jsforce.Connection({ loginUrl: org.url, oauth2: oauth2(), version: '62.0', ...options });
  await conn.authorize({ grant_type: 'client_credentials' });
  return conn;
}

function signedAssertion(claims) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part({ alg: 'RS256' })}.${part(claims)}`;
  return `${signed}.${createSign('RSA-SHA256').update(signed).sign(org.privateKey, 'base64url')}`;
}

// errorCode rejects with a code and, where given, a message.
const refusal = (code, message) => (error) => {
  assert.equal(error.errorCode, code, error.message);
  if (message) {
    assert.match(error.message, message);
  }
  return true;
};

// withoutAttributes gives the rows of an answer as they were written.
const withoutAttributes = (rows) => rows.map(({ attributes, ...row }) => row);

test('logins', async (t) => {
  // Whatever the way in, the connection knows who it is and can use the API.
  const assertUsable = async (conn, userInfo) => {
    assert.equal(userInfo.organizationId, org.orgId);
    assert.equal(userInfo.id, org.userId);
    assert.equal(conn.instanceUrl, org.url);
    const identity = await conn.identity();
    assert.equal(identity.organization_id, org.orgId);
    assert.equal(identity.user_id, org.userId);
    assert.equal(identity.username, org.username);
    const { records } = await conn.query(`SELECT Id, Username FROM User WHERE Username = '${org.username}'`);
    assert.deepEqual(withoutAttributes(records), [{ Id: org.userId, Username: org.username }]);
  };

  await t.test('SOAP', async () => {
    const conn = new jsforce.Connection({ loginUrl: org.url });
    await assertUsable(conn, await conn.login(org.username, org.password + org.securityToken));
  });
  await t.test('OAuth password', async () => {
    const conn = new jsforce.Connection({ oauth2: oauth2() });
    await assertUsable(conn, await conn.login(org.username, org.password + org.securityToken));
  });
  await t.test('OAuth client credentials', async () => {
    const conn = new jsforce.Connection({ oauth2: oauth2() });
    await assertUsable(conn, await conn.authorize({ grant_type: 'client_credentials' }));
  });
  await t.test('OAuth JWT bearer', async () => {
    const conn = new jsforce.Connection({ oauth2: { loginUrl: org.url, clientId: org.clientId } });
    const assertion = signedAssertion({
      iss: org.clientId,
      sub: org.username,
      aud: org.url,
      exp: Math.floor(Date.now() / 1000) + 120,
    });
    const grant = { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion };
    await assertUsable(conn, await conn.authorize(grant));
  });

  await t.test('refused', async () => {
    const soap = new jsforce.Connection({ loginUrl: org.url });
    await assert.rejects(soap.login(org.username, 'wrong'), /INVALID_LOGIN/);
    const password = new jsforce.Connection({ oauth2: oauth2() });
    await assert.rejects(password.login(org.username, 'wrong'), { name: 'invalid_grant', message: 'authentication failure' });
    const unknown = new jsforce.Connection({ oauth2: { ...oauth2(), clientId: 'nobody' } });
    await assert.rejects(unknown.authorize({ grant_type: 'client_credentials' }), { name: 'invalid_client_id' });
    const unsigned = signedAssertion({ iss: org.clientId, sub: org.username, aud: 'https://elsewhere.example', exp: Math.floor(Date.now() / 1000) + 120 });
    await assert.rejects(
      new jsforce.Connection({ oauth2: oauth2() }).authorize({
        grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
        assertion: unsigned,
      }),
      { name: 'invalid_grant' },
    );
  });

  await t.test('a logged out session is dead', async () => {
    const conn = await connect();
    const { accessToken, instanceUrl } = conn;
    await conn.logout();
    const dead = new jsforce.Connection({ instanceUrl, accessToken });
    await assert.rejects(dead.query('SELECT Id FROM Account'), refusal('INVALID_SESSION_ID', /Session expired or invalid/));
  });

  await t.test('a dead session is renewed once and the request repeated', async () => {
    const conn = new jsforce.Connection({ loginUrl: org.url });
    await conn.login(org.username, org.password + org.securityToken);
    const first = conn.accessToken;
    await new jsforce.OAuth2(oauth2()).revokeToken(first);
    const { totalSize } = await conn.query(`SELECT Id FROM User WHERE Id = '${org.userId}'`);
    assert.equal(totalSize, 1);
    assert.notEqual(conn.accessToken, first);
  });
});

test('one row: create, retrieve, update, delete', async () => {
  const conn = await connect();
  const created = await conn.sobject('Account').create({ Name: 'One', Phone: '1', NumberOfEmployees: 5 });
  assert.deepEqual(Object.keys(created).sort(), ['errors', 'id', 'success']);
  assert.match(created.id, ID);
  assert.ok(created.id.startsWith('001'));
  assert.equal(created.success, true);
  assert.deepEqual(created.errors, []);

  const row = await conn.sobject('Account').retrieve(created.id);
  assert.equal(row.attributes.type, 'Account');
  assert.equal(row.attributes.url, `/services/data/v62.0/sobjects/Account/${created.id}`);
  assert.equal(row.Id, created.id);
  assert.equal(row.Name, 'One');
  assert.equal(row.NumberOfEmployees, 5);
  assert.equal(row.OwnerId, org.userId);
  assert.equal(row.CreatedById, org.userId);
  assert.match(row.CreatedDate, DATETIME);
  assert.match(row.SystemModstamp, DATETIME);
  assert.equal(row.IsDeleted, false);
  assert.equal(row.Website, null);

  const updated = await conn.sobject('Account').update({ Id: created.id, Name: 'Two', Phone: null });
  assert.deepEqual(updated, { id: created.id, success: true, errors: [] });
  const after = await conn.sobject('Account').retrieve(created.id, { fields: ['Name', 'Phone', 'NumberOfEmployees'] });
  assert.deepEqual(withoutAttributes([after])[0], { Name: 'Two', Phone: null, NumberOfEmployees: 5, Id: created.id });

  assert.deepEqual(await conn.sobject('Account').destroy(created.id), { id: created.id, success: true, errors: [] });
  await assert.rejects(conn.sobject('Account').retrieve(created.id), refusal('NOT_FOUND'));
  await assert.rejects(conn.sobject('Account').destroy(created.id), refusal('ENTITY_IS_DELETED'));
  const all = await conn.query(`SELECT Id, IsDeleted FROM Account WHERE Id = '${created.id}'`, { scanAll: true });
  assert.deepEqual(withoutAttributes(all.records), [{ Id: created.id, IsDeleted: true }]);
  assert.match(conn.limitInfo.apiUsage.limit.toString(), /^\d+$/);
  assert.ok(conn.limitInfo.apiUsage.used > 0);
});

test('many rows: collections', async (t) => {
  const conn = await connect();
  const accounts = conn.sobject('Account');
  const rows = Array.from({ length: 25 }, (_, i) => ({ Name: `Many ${i}`, NumberOfEmployees: i }));
  const created = await accounts.create(rows);
  assert.equal(created.length, rows.length);
  assert.deepEqual(created.filter((result) => !result.success), []);
  const ids = created.map((result) => result.id);
  assert.equal(new Set(ids).size, rows.length);

  await t.test('retrieve keeps the order asked for and tells missing rows', async () => {
    const missing = '001000000000000AAA';
    const asked = [ids[3], missing, ids[0]];
    const found = await accounts.retrieve(asked, { fields: ['Id', 'Name'] });
    assert.equal(found[1], null);
    assert.deepEqual(withoutAttributes([found[0], found[2]]), [
      { Id: ids[3], Name: 'Many 3' },
      { Id: ids[0], Name: 'Many 0' },
    ]);
  });

  await t.test('update answers row by row', async () => {
    const results = await accounts.update([
      { Id: ids[0], Name: 'Changed 0' },
      { Id: ids[1], NumberOfEmployees: 'many' },
      { Id: ids[2], Name: 'Changed 2' },
    ]);
    assert.deepEqual(results.map((result) => result.success), [true, false, true]);
    assert.equal(results[1].errors[0].statusCode, 'INVALID_TYPE_ON_FIELD_IN_RECORD');
    assert.deepEqual(results[1].errors[0].fields, ['NumberOfEmployees']);
    const names = await accounts.retrieve(ids.slice(0, 3), { fields: ['Name', 'NumberOfEmployees'] });
    assert.deepEqual(names.map((row) => [row.Name, row.NumberOfEmployees]), [['Changed 0', 0], ['Many 1', 1], ['Changed 2', 2]]);
  });

  await t.test('all or none writes none', async () => {
    const results = await accounts.create([{ Name: 'Good' }, { Phone: 'no name' }], { allOrNone: true });
    assert.deepEqual(results.map((result) => result.success), [false, false]);
    assert.deepEqual(results.map((result) => result.errors[0].statusCode), [
      'ALL_OR_NONE_OPERATION_ROLLED_BACK',
      'REQUIRED_FIELD_MISSING',
    ]);
    const { totalSize } = await conn.query("SELECT Id FROM Account WHERE Name = 'Good'");
    assert.equal(totalSize, 0);
  });

  await t.test('more than 200 rows are refused in one call and split on request', async () => {
    const lots = Array.from({ length: 201 }, (_, i) => ({ Name: `Split ${i}` }));
    await assert.rejects(accounts.create(lots), refusal('EXCEEDED_ID_LIMIT'));
    const results = await accounts.create(lots, { allowRecursive: true });
    assert.equal(results.filter((result) => result.success).length, 201);
    const { totalSize } = await conn.query("SELECT COUNT() FROM Account WHERE Name LIKE 'Split %'");
    assert.equal(totalSize, 201);
  });

  await t.test('delete', async () => {
    const deleted = await accounts.destroy([...ids, '001000000000000AAA']);
    assert.deepEqual(deleted.slice(0, -1).map((result) => result.id), ids);
    assert.deepEqual(deleted.map((result) => result.success), [...ids.map(() => true), false]);
    const { totalSize } = await conn.query(`SELECT Id FROM Account WHERE Id IN ('${ids.join("','")}')`);
    assert.equal(totalSize, 0);
  });
});

test('every kind of field comes back as it was written', async () => {
  const conn = await connect();
  const account = await conn.sobject('Account').create({ Name: 'Parcel owner' });
  const full = {
    Name: 'P-1',
    Code__c: 'TYPES-1',
    Fragile__c: true,
    Weight__c: 12.345,
    Pieces__c: 7,
    Value__c: 1999.99,
    Share__c: 12.5,
    Sent_On__c: '2024-02-29',
    Sent_At__c: '2026-08-20T09:14:02.000+0000',
    Door_Time__c: '13:45:00.000Z',
    Status__c: 'Sent',
    Tags__c: 'red;blue',
    Notes__c: `two\nlines, "quotes", O'Neil, Ünïcödé 🚚 <&>`,
    Mail__c: 'pack@example.com',
    Account__c: account.id,
  };
  const fields = Object.keys(full);
  const { id } = await conn.sobject('Parcel__c').create(full);
  const read = async () => {
    const { Id, ...row } = withoutAttributes([await conn.sobject('Parcel__c').retrieve(id, { fields })])[0];
    assert.equal(Id, id);
    return row;
  };
  assert.deepEqual(await read(), full);
  const queried = await conn.query(`SELECT ${fields.join(', ')} FROM Parcel__c WHERE Id = '${id}'`);
  assert.deepEqual(withoutAttributes(queried.records), [full]);

  const nullable = fields.filter((name) => !['Name', 'Code__c', 'Fragile__c'].includes(name));
  await conn.sobject('Parcel__c').update({ Id: id, Fragile__c: false, ...Object.fromEntries(nullable.map((name) => [name, null])) });
  assert.deepEqual(await read(), {
    Name: 'P-1',
    Code__c: 'TYPES-1',
    Fragile__c: false,
    ...Object.fromEntries(nullable.map((name) => [name, null])),
  });

  // A datetime in any zone is one moment; half a second is not kept.
  await conn.sobject('Parcel__c').update({ Id: id, Sent_At__c: '2026-08-20T11:14:02.500+02:00', Weight__c: -0.0004, Value__c: 0 });
  const row = await read();
  assert.equal(row.Sent_At__c, '2026-08-20T09:14:02.000+0000');
  assert.equal(row.Weight__c === 0, true);
  assert.equal(row.Value__c, 0);
});

test('queries', async (t) => {
  const conn = await connect();
  const total = 2050;
  const rows = Array.from({ length: total }, (_, i) => ({ Name: `Page ${String(i).padStart(5, '0')}`, NumberOfEmployees: i % 10 }));
  const created = await conn.sobject('Account').create(rows, { allowRecursive: true });
  assert.equal(created.filter((result) => result.success).length, total);
  const ids = created.map((result) => result.id);
  const soql = "SELECT Id, Name, NumberOfEmployees FROM Account WHERE Name LIKE 'Page %' ORDER BY Name";
  const expected = rows.map((row, i) => ({ Id: ids[i], ...row }));

  await t.test('first page, then queryMore', async () => {
    const first = await conn.query(soql);
    assert.equal(first.totalSize, total);
    assert.equal(first.done, false);
    assert.equal(first.records.length, 2000);
    const rest = await conn.queryMore(first.nextRecordsUrl);
    assert.equal(rest.done, true);
    assert.equal(rest.nextRecordsUrl, undefined);
    assert.deepEqual(withoutAttributes([...first.records, ...rest.records]), expected);
  });

  await t.test('every page by itself', async () => {
    const result = await conn.query(soql, { autoFetch: true, maxFetch: 10_000 });
    assert.equal(result.totalSize, total);
    assert.equal(result.done, true);
    assert.deepEqual(withoutAttributes(result.records), expected);
  });

  await t.test('small pages', async () => {
    const headers = { 'Sforce-Query-Options': 'batchSize=200' };
    const first = await conn.query(`${soql} LIMIT 450`, { headers });
    assert.equal(first.records.length, 200);
    const result = await conn.query(`${soql} LIMIT 450`, { headers, autoFetch: true, maxFetch: 10_000 });
    assert.deepEqual(withoutAttributes(result.records), expected.slice(0, 450));
  });

  await t.test('a page does not move when rows are added meanwhile', async () => {
    const headers = { 'Sforce-Query-Options': 'batchSize=200' };
    const first = await conn.query(`${soql} LIMIT 400`, { headers });
    const extra = await conn.sobject('Account').create({ Name: 'Page 00000 again' });
    const second = await conn.queryMore(first.nextRecordsUrl);
    assert.deepEqual(withoutAttributes([...first.records, ...second.records]), expected.slice(0, 400));
    await conn.sobject('Account').destroy(extra.id);
  });

  await t.test('conditions built by the client', async () => {
    // Of two operators in one condition the client drops the second without a word.
    const between = { $and: [{ NumberOfEmployees: { $gte: 3 } }, { NumberOfEmployees: { $lt: 6 } }] };
    const found = await conn
      .sobject('Account')
      .find({ $and: [{ Name: { $like: 'Page 0000%' } }, between] }, ['Id', 'Name'])
      .sort({ Name: -1 })
      .limit(2);
    assert.deepEqual(withoutAttributes(found), [
      { Id: ids[5], Name: 'Page 00005' },
      { Id: ids[4], Name: 'Page 00004' },
    ]);
    const count = await conn.sobject('Account').count({ Name: { $like: 'Page %' }, NumberOfEmployees: 7 });
    assert.equal(count, 205);
    const one = await conn.sobject('Account').findOne({ Id: ids[9] }, 'Name');
    assert.equal(one.Name, 'Page 00009');
  });

  await t.test('aggregates', async () => {
    const { records } = await conn.query(
      "SELECT NumberOfEmployees, COUNT(Id) n, MAX(Name) last FROM Account WHERE Name LIKE 'Page %' GROUP BY NumberOfEmployees ORDER BY NumberOfEmployees LIMIT 2",
    );
    assert.deepEqual(records.map((row) => row.attributes), [{ type: 'AggregateResult' }, { type: 'AggregateResult' }]);
    assert.deepEqual(withoutAttributes(records), [
      { NumberOfEmployees: 0, n: 205, last: 'Page 02040' },
      { NumberOfEmployees: 1, n: 205, last: 'Page 02041' },
    ]);
  });

  await t.test('parent paths', async () => {
    const parcels = await conn.sobject('Parcel__c').create([
      { Code__c: 'PATH-1', Account__c: ids[17] },
      { Code__c: 'PATH-2' },
    ]);
    assert.deepEqual(parcels.map((result) => result.success), [true, true]);
    const { records } = await conn.query(
      "SELECT Code__c, Account__r.Name, Account__r.Owner.Username FROM Parcel__c WHERE Code__c LIKE 'PATH-%' ORDER BY Code__c",
    );
    assert.equal(records[0].Account__r.Name, 'Page 00017');
    assert.equal(records[0].Account__r.attributes.type, 'Account');
    assert.equal(records[0].Account__r.Owner.Username, org.username);
    assert.equal(records[1].Account__r, null);
  });
});

test('describe', async (t) => {
  const conn = await connect();
  await t.test('global', async () => {
    const { sobjects, maxBatchSize } = await conn.describeGlobal();
    assert.equal(maxBatchSize, 200);
    const byName = new Map(sobjects.map((sobject) => [sobject.name, sobject]));
    assert.equal(byName.get('Account').keyPrefix, '001');
    assert.equal(byName.get('Account').custom, false);
    assert.equal(byName.get('Account').queryable, true);
    assert.equal(byName.get('Parcel__c').label, 'Parcel');
    assert.equal(byName.get('Parcel__c').labelPlural, 'Parcels');
    assert.equal(byName.get('Parcel__c').custom, true);
    assert.equal(byName.get('Order_Event__e').createable, true);
    assert.equal(byName.get('Order_Event__e').queryable, false);
    assert.equal(byName.get('Account').urls.describe, '/services/data/v62.0/sobjects/Account/describe');
  });

  await t.test('one object', async () => {
    const described = await conn.sobject('Parcel__c').describe();
    assert.equal(described.name, 'Parcel__c');
    const field = Object.fromEntries(described.fields.map((f) => [f.name, f]));
    const kinds = {
      Id: ['id', 'tns:ID'],
      Code__c: ['string', 'xsd:string'],
      Fragile__c: ['boolean', 'xsd:boolean'],
      Weight__c: ['double', 'xsd:double'],
      Value__c: ['currency', 'xsd:double'],
      Share__c: ['percent', 'xsd:double'],
      Sent_On__c: ['date', 'xsd:date'],
      Sent_At__c: ['datetime', 'xsd:dateTime'],
      Door_Time__c: ['time', 'xsd:time'],
      Status__c: ['picklist', 'xsd:string'],
      Tags__c: ['multipicklist', 'xsd:string'],
      Notes__c: ['textarea', 'xsd:string'],
      Mail__c: ['email', 'xsd:string'],
      Account__c: ['reference', 'tns:ID'],
      CreatedDate: ['datetime', 'xsd:dateTime'],
    };
    for (const [name, kind] of Object.entries(kinds)) {
      assert.deepEqual([field[name]?.type, field[name]?.soapType], kind, name);
    }
    assert.equal(field.Code__c.length, 32);
    assert.equal(field.Code__c.externalId, true);
    assert.equal(field.Code__c.unique, true);
    assert.equal(field.Code__c.nillable, false);
    assert.equal(field.Weight__c.precision, 12);
    assert.equal(field.Weight__c.scale, 3);
    assert.deepEqual(field.Account__c.referenceTo, ['Account']);
    assert.equal(field.Account__c.relationshipName, 'Account__r');
    assert.deepEqual(field.Status__c.picklistValues.map((value) => value.value), ['Packed', 'Sent', 'Lost']);
    assert.equal(field.Status__c.restrictedPicklist, true);
    assert.equal(field.CreatedDate.createable, false);
  });

  await t.test('children', async () => {
    const { childRelationships } = await conn.sobject('Account').describe();
    const parcels = childRelationships.find((child) => child.childSObject === 'Parcel__c');
    assert.equal(parcels.field, 'Account__c');
  });
});

test('upsert by external id', async (t) => {
  const conn = await connect();
  const parcels = conn.sobject('Parcel__c');
  const codeOf = async (id) => (await parcels.retrieve(id, { fields: ['Code__c', 'Weight__c'] }));

  const created = await parcels.upsert({ Code__c: 'UP 1/ä', Weight__c: 1.5 }, 'Code__c').catch((error) => error);
  // The client does not encode the value, so that a slash in it is another path.
  assert.ok(created instanceof Error, 'an unencoded slash must not reach a row');

  const first = await parcels.upsert({ Code__c: 'UP-1', Weight__c: 1.5 }, 'Code__c');
  assert.deepEqual({ ...first, id: undefined }, { id: undefined, success: true, errors: [], created: true });
  const again = await parcels.upsert({ Code__c: 'UP-1', Weight__c: 2.5 }, 'Code__c');
  assert.deepEqual(again, { id: first.id, success: true, errors: [], created: false });
  const row = await codeOf(first.id);
  assert.deepEqual([row.Code__c, row.Weight__c], ['UP-1', 2.5]);

  await t.test('many', async () => {
    const results = await parcels.upsert(
      [
        { Code__c: 'UP-1', Weight__c: 3.5 },
        { Code__c: 'UP-2', Weight__c: 4.5 },
        { Code__c: 'UP-3', Status__c: 'Eaten' },
      ],
      'Code__c',
    );
    assert.deepEqual(results.map(({ success, created }) => [success, created ?? false]), [[true, false], [true, true], [false, false]]);
    assert.equal(results[0].id, first.id);
    assert.equal(results[2].errors[0].statusCode, 'INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST');
    const { records } = await conn.query("SELECT Code__c, Weight__c FROM Parcel__c WHERE Code__c LIKE 'UP-%' ORDER BY Code__c");
    assert.deepEqual(withoutAttributes(records), [
      { Code__c: 'UP-1', Weight__c: 3.5 },
      { Code__c: 'UP-2', Weight__c: 4.5 },
    ]);
  });

  await t.test('a field that is no external id', async () => {
    await assert.rejects(parcels.upsert({ Weight__c: 9 }, 'Weight__c'), refusal('NOT_FOUND', /external ID field/));
  });
});

test('publish events', async (t) => {
  const conn = await connect();
  const events = conn.sobject('Order_Event__e');
  // Both success and an error entry: that entry carries the event's UUID.
  const assertEnqueued = (result) => {
    assert.equal(result.success, true);
    assert.match(result.id, ID);
    assert.equal(result.errors.length, 1);
    assert.equal(result.errors[0].statusCode, 'OPERATION_ENQUEUED');
    assert.match(result.errors[0].message, UUID);
    return result.errors[0].message;
  };
  await t.test('one', async () => {
    const uuids = [];
    for (const number of ['J-1', 'J-2']) {
      uuids.push(assertEnqueued(await events.create({ Order_Number__c: number, Amount__c: 10.25, Paid__c: true })));
    }
    assert.notEqual(uuids[0], uuids[1]);
  });
  await t.test('many', async () => {
    const results = await events.create([{ Order_Number__c: 'J-3' }, { Amount__c: 1 }, { Order_Number__c: 'J-5' }]);
    assertEnqueued(results[0]);
    assert.equal(results[1].success, false);
    assert.equal(results[1].errors[0].statusCode, 'REQUIRED_FIELD_MISSING');
    assertEnqueued(results[2]);
  });
  await t.test('refused', async () => {
    await assert.rejects(events.create({ Order_Number__c: 'J-6', Nothing__c: 1 }), refusal('INVALID_FIELD'));
    await assert.rejects(events.create({}), refusal('REQUIRED_FIELD_MISSING'));
    await assert.rejects(events.create({ Order_Number__c: 'x'.repeat(65) }), refusal('STRING_TOO_LONG'));
  });
});

test('errors', async (t) => {
  const conn = await connect();
  const accounts = conn.sobject('Account');
  const cases = {
    'unknown column in SOQL': [() => conn.query('SELECT Id, Nothing FROM Account'), refusal('INVALID_FIELD', /No such column 'Nothing' on entity 'Account'/)],
    'unknown object in SOQL': [() => conn.query('SELECT Id FROM Nothing__c'), refusal('INVALID_TYPE', /sObject type 'Nothing__c' is not supported/)],
    'not SOQL': [() => conn.query('SELECT FROM WHERE'), refusal('MALFORMED_QUERY')],
    'bad locator': [() => conn.queryMore('01g000000000000AAA-2000'), refusal('INVALID_QUERY_LOCATOR')],
    'unknown field': [() => accounts.create({ Name: 'x', Nothing__c: 1 }), refusal('INVALID_FIELD', /No such column 'Nothing__c' on sobject of type Account/)],
    'required field': [() => accounts.create({ Phone: '1' }), refusal('REQUIRED_FIELD_MISSING', /Required fields are missing: \[Name\]/)],
    'too long': [() => accounts.create({ Name: 'n'.repeat(256) }), refusal('STRING_TOO_LONG')],
    'read-only field': [() => accounts.create({ Name: 'x', CreatedDate: '2020-01-01T00:00:00Z' }), refusal('INVALID_FIELD_FOR_INSERT_UPDATE')],
    'no such row': [() => accounts.retrieve('001000000000000AAA'), refusal('NOT_FOUND', /The requested resource does not exist/)],
    'no such object': [() => conn.sobject('Nothing__c').create({ Name: 'x' }), refusal('NOT_FOUND', /The requested resource does not exist/)],
    'no such resource': [() => conn.request('/nothing/here'), refusal('NOT_FOUND')],
    'bad e-mail': [() => conn.sobject('Parcel__c').create({ Code__c: 'E-1', Mail__c: 'nobody' }), refusal('INVALID_EMAIL_ADDRESS')],
    'not JSON': [
      () => conn.request({ method: 'POST', url: '/sobjects/Account', body: '{"Name":', headers: { 'content-type': 'application/json' } }),
      refusal('JSON_PARSER_ERROR'),
    ],
  };
  for (const [name, [act, expected]] of Object.entries(cases)) {
    await t.test(name, () => assert.rejects(act, expected));
  }
  await t.test('duplicate external id', async () => {
    const { id } = await conn.sobject('Parcel__c').create({ Code__c: 'DUP-1' });
    const expected = refusal('DUPLICATE_VALUE', new RegExp(`Code__c duplicates value on record with id: ${id.slice(0, 15)}`));
    await assert.rejects(conn.sobject('Parcel__c').create({ Code__c: 'DUP-1' }), expected);
  });
  await t.test('fields are named', async () => {
    await assert.rejects(accounts.create({ Phone: '1' }), (error) => {
      assert.deepEqual(error.data.fields, ['Name']);
      return true;
    });
  });
});
