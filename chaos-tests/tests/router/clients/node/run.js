// Runs the suite with mysql2, and batches with MariaDB's connector; prints whatever it gets.
'use strict';

const fs = require('fs');
const mariadb = require('mariadb');
const mysql = require('mysql2/promise');

const [suite, host, port, password, data, ca] = process.argv.slice(2);
// The authority whose certificate the server must have; without it there is no TLS.
const ssl = ca && { ca: fs.readFileSync(ca), verifyIdentity: true, rejectUnauthorized: true };
const account = { host, port: Number(port), password, database: 'compat', ssl };

const show = (value) =>
  JSON.stringify(value, (_, it) => {
    if (it && it.type === 'Buffer') return Buffer.from(it.data).toString('hex');
    return typeof it === 'bigint' ? `${it}n` : it;
  });

async function connect(user = 'compat') {
  const conn = await mysql.createConnection({
    ...account,
    user,
    multipleStatements: true,
    supportBigNumbers: true,
    bigNumberStrings: true,
    dateStrings: true,
    infileStreamFactory: () => fs.createReadStream(data),
  });
  await conn.query("SET @quorate_causal_reads = 'global'");
  return conn;
}

function print(what) {
  if (what && what.affectedRows !== undefined) {
    // The flag that some state of the session changed is not compared: it depends on what is tracked.
    what = { ...what, serverStatus: what.serverStatus & 0x3fff };
    delete what.stateChanges;
  }
  console.log('  ', show(what));
}

function report([rows, fields]) {
  const several = Array.isArray(fields) && fields.some((it) => Array.isArray(it) || it === undefined);
  const sets = several ? rows.map((it, nth) => [it, fields[nth]]) : [[rows, fields]];
  for (const [set, columns] of sets) {
    for (const it of columns || []) {
      print([it.name, it.columnType, it.flags, it.characterSet, it.columnLength, it.decimals, it.table, it.orgTable]);
    }
    Array.isArray(set) ? set.forEach(print) : print(set);
  }
}

async function step(connections, name, mark, rest) {
  connections[name] ??= await connect();
  const conn = connections[name];
  if (mark === ':') return report(await conn.query(rest));
  if (mark === '?') {
    const end = rest.indexOf('] ') + 1;
    return report(await conn.execute(rest.slice(end + 1), JSON.parse(rest.slice(0, end))));
  }
  const [verb, ...words] = rest.split(' ');
  const what = words.join(' ');
  if (verb === 'infile') return report(await conn.query(what.replace('FILE INTO', `'${data}' INTO`)));
  if (verb === 'use') return report(await conn.query(`USE ${what}`));
  if (verb === 'change') return void (await conn.changeUser({ user: what, password, database: 'compat' }));
  await conn.end();
  delete connections[name];
}

async function batches() {
  const conn = await mariadb.createConnection({ ...account, user: 'compat', bulk: true });
  await conn.query("SET @quorate_causal_reads = 'global'");
  await conn.query('CREATE OR REPLACE TABLE batch (id INT AUTO_INCREMENT PRIMARY KEY, a INT, b VARCHAR(50), c DOUBLE)');
  const rows = Array.from({ length: 1000 }, (_, nth) => [nth, nth % 5 ? `row ${nth}` : null, nth / 8]);
  print(await conn.batch('INSERT INTO batch (a, b, c) VALUES (?, ?, ?)', rows));
  print(await conn.query('SELECT COUNT(*), SUM(a), MD5(GROUP_CONCAT(b ORDER BY id)) FROM batch'));
  print(await conn.execute('SELECT * FROM batch WHERE a = ?', [7]));
  await conn.query('INSERT INTO batch (id) VALUES (1)').catch((error) => print([error.errno, error.sqlState, error.sqlMessage]));
  await conn.query('DROP TABLE batch');
  await conn.end();
}

async function main() {
  const connections = {};
  for (const line of fs.readFileSync(suite, 'utf8').split('\n')) {
    const parts = line.match(/^(\w+)([:?!]) (.*)/);
    if (!parts) continue;
    console.log(line);
    try {
      await step(connections, ...parts.slice(1));
    } catch (error) {
      console.log('  error', error.code, error.errno, error.sqlState, error.sqlMessage || error.message);
      if (error.fatal) delete connections[parts[1]];
    }
  }
  await Promise.all(Object.values(connections).map((conn) => conn.end()));
  await batches();
}

main();
