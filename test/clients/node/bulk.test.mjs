// @jsforce/jsforce-node's bulk2 against the simulated org: ingest of every
// operation with its results, and a query.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import jsforce from '@jsforce/jsforce-node';

import { org } from './lib/org.mjs';

async function connect() {
  const conn = new jsforce.Connection({
    loginUrl: org.url,
    oauth2: { loginUrl: org.url, clientId: org.clientId, clientSecret: org.clientSecret },
    version: '62.0',
  });
  await conn.authorize({ grant_type: 'client_credentials' });
  conn.bulk2.pollInterval = 20;
  conn.bulk2.pollTimeout = 30_000;
  return conn;
}

const byCode = (a, b) => (a.Code__c < b.Code__c ? -1 : 1);

// stored reads rows back by a bulk query. The client breaks on results of more
// than one page, which these are not.
async function stored(conn, soql) {
  return (await conn.bulk2.query(soql)).toArray();
}

test('ingest: good, bad and unprocessed rows', async () => {
  const conn = await connect();
  const input = Array.from({ length: 250 }, (_, i) => ({
    Name: `Row ${i}`,
    Code__c: `J-${String(i).padStart(4, '0')}`,
    Notes__c: i % 2 ? 'a "b", c' : 'two\nlines',
  }));
  input[10].Code__c = 'x'.repeat(33);
  const results = await conn.bulk2.loadAndWaitForResults({ object: 'Parcel__c', operation: 'insert', input });
  assert.equal(results.successfulResults.length, 249);
  assert.equal(results.unprocessedRecords.length, 0);
  assert.equal(results.failedResults.length, 1);
  assert.equal(results.failedResults[0].sf__Id, '');
  assert.match(results.failedResults[0].sf__Error, /^STRING_TOO_LONG:.* \(max length=32\):Code__c --$/);
  for (const row of results.successfulResults) {
    assert.match(row.sf__Id, /^[a-zA-Z0-9]{18}$/);
    assert.equal(row.sf__Created, 'true');
  }
  const want = input.filter((_, i) => i !== 10);
  const sent = results.successfulResults.map(({ sf__Id, sf__Created, ...row }) => row);
  assert.deepEqual(sent.sort(byCode), want);
  const got = await stored(conn, 'SELECT Name, Code__c, Notes__c FROM Parcel__c ORDER BY Code__c');
  assert.deepEqual(got, want);
});

test('upsert, update and delete', async () => {
  const conn = await connect();
  const load = async (operation, input, externalIdFieldName) => {
    const results = await conn.bulk2.loadAndWaitForResults({ object: 'Account', operation, input, externalIdFieldName });
    assert.deepEqual(results.failedResults, []);
    return results.successfulResults;
  };
  const first = await load('upsert', [{ External_Id__c: 'E1', Name: 'One', Phone: '1' }], 'External_Id__c');
  assert.equal(first[0].sf__Created, 'true');
  const second = await load('upsert', [{ External_Id__c: 'E1', Name: 'Two', Phone: '#N/A' }], 'External_Id__c');
  assert.deepEqual([second[0].sf__Created, second[0].sf__Id], ['false', first[0].sf__Id]);
  const soql = "SELECT Name, Phone FROM Account WHERE External_Id__c = 'E1'";
  assert.deepEqual(await stored(conn, soql), [{ Name: 'Two', Phone: '' }]);
  await load('update', [{ Id: first[0].sf__Id, Name: 'Three', Phone: '3' }]);
  assert.deepEqual(await stored(conn, soql), [{ Name: 'Three', Phone: '3' }]);
  await load('delete', [{ Id: first[0].sf__Id }]);
  assert.deepEqual(await stored(conn, soql), []);
});

test('a job by hand: open, upload, close, abort', async () => {
  const conn = await connect();
  const job = conn.bulk2.createJob({ object: 'Account', operation: 'insert' });
  const opened = await job.open();
  assert.equal(opened.state, 'Open');
  assert.equal(opened.apiVersion, 62);
  await job.uploadData([{ Name: 'Never' }]);
  await job.abort();
  assert.equal((await job.check()).state, 'Aborted');
  assert.deepEqual(await stored(conn, "SELECT Name FROM Account WHERE Name = 'Never'"), []);
  await job.delete();
  await assert.rejects(job.check(), { errorCode: 'NOT_FOUND' });
});

test('what fails says why', async () => {
  const conn = await connect();
  await assert.rejects(
    conn.bulk2.loadAndWaitForResults({ object: 'Account', operation: 'insert', input: [{ Nothing__c: 'x' }] }),
    /InvalidBatch : Field name not found : Nothing__c/,
  );
  await assert.rejects(conn.bulk2.createJob({ object: 'Nothing', operation: 'insert' }).open(), {
    errorCode: 'INVALIDJOB',
    message: 'InvalidJob : Unable to find object: Nothing',
  });
  await assert.rejects(conn.bulk2.query('SELECT COUNT() FROM Account'), { errorCode: 'API_ERROR' });
  await assert.rejects(conn.bulk2.query('SELECT Nothing FROM Account'), { errorCode: 'INVALID_FIELD' });
});

test('Bulk API 1.0: load, refuse, query', async () => {
  const conn = await connect();
  conn.bulk.pollInterval = 20;
  const input = [{ Name: 'Old 1', Code__c: 'OLD-1' }, { Name: 'Old 2', Code__c: 'x'.repeat(33) }, { Name: 'Old 3', Code__c: 'OLD-3' }];
  const results = await conn.bulk.load('Parcel__c', 'insert', input);
  assert.deepEqual(results.map((result) => [result.success, result.created]), [[true, true], [false, false], [true, true]]);
  assert.match(results[1].errors[0], /^STRING_TOO_LONG:.*:Code__c --$/);
  const rows = await (await conn.bulk.query("SELECT Name, Code__c FROM Parcel__c WHERE Code__c LIKE 'OLD-%' ORDER BY Code__c")).toArray();
  assert.deepEqual(rows, [{ Name: 'Old 1', Code__c: 'OLD-1' }, { Name: 'Old 3', Code__c: 'OLD-3' }]);
  const upserted = await conn.bulk.load('Parcel__c', 'upsert', { extIdField: 'Code__c' }, [{ Code__c: 'OLD-1', Name: 'New 1' }]);
  assert.deepEqual([upserted[0].id, upserted[0].created], [results[0].id, false]);
  const removed = await conn.bulk.load('Parcel__c', 'delete', [{ Id: results[2].id }]);
  assert.equal(removed[0].success, true);
  await assert.rejects(async () => conn.bulk.load('Nothing', 'insert', input), /Unable to find object: Nothing/);
});
