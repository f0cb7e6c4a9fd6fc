// An application as Heroku AppLink's own samples write it: it takes the context from
// the request and works in the org with it. It knows nothing of Sallyport.
import http from 'node:http';

import applink from '@heroku/applink';

const sdk = applink.init();

async function answer(request, body) {
  const { context, event } = sdk.salesforce.parseRequest(request.headers, body, console);
  const { name } = JSON.parse(event.data);
  const made = await context.org.dataApi.create({ type: 'Account', fields: { Name: name } });
  const found = await context.org.dataApi.query(`SELECT Id, Name FROM Account WHERE Id = '${made.id}'`);
  return {
    requestId: context.id,
    org: context.org.id,
    domain: context.org.domainUrl,
    user: context.org.user,
    version: context.org.apiVersion,
    accounts: found.records.map((record) => record.fields.Name ?? record.fields.name),
  };
}

const server = http.createServer(async (request, response) => {
  let body = '';
  for await (const chunk of request) {
    body += chunk;
  }
  let status = 200;
  let said;
  try {
    said = await answer(request, body);
  } catch (error) {
    status = 500;
    said = { error: String(error.stack ?? error) };
  }
  response.writeHead(status, { 'content-type': 'application/json', connection: 'close' });
  response.end(JSON.stringify(said));
});

server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ port: server.address().port })}\n`);
});
process.stdin.on('end', () => process.exit(0)).resume();
