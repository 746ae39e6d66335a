// SPDX-License-Identifier: Apache-2.0
// The packed initiator driver installs to itself, initiator-core and spec, and works from there.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { pack } from './pack.ts'

/** Installs archives into an empty folder without asking any registry. */
function install(folder: string, archives: Map<string, string>, wanted: readonly string[]): void {
  // npm takes the archives for the ranges that the manifests name, by overriding each with its file.
  const dependencies = Object.fromEntries(wanted.map(name => [name, `file:${archives.get(name)}`]))
  const overrides = Object.fromEntries([...archives].map(([name, path]) => [name, `file:${path}`]))
  for (const name of wanted) delete overrides[name]
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({ name: 'user', private: true, type: 'module', dependencies, overrides }),
  )
  const npm = spawnSync('npm', ['install', '--offline', '--omit=optional', '--no-audit', '--no-fund'], {
    cwd: folder,
    encoding: 'utf8',
  })
  assert.equal(npm.status, 0, npm.stderr)
}

function installed(folder: string): string[] {
  return readdirSync(join(folder, 'node_modules'), { withFileTypes: true })
    .filter(entry => !entry.name.startsWith('.'))
    .flatMap(({ name }) =>
      name.startsWith('@')
        ? readdirSync(join(folder, 'node_modules', name)).map(one => `${name}/${one}`)
        : [name],
    )
    .sort()
}

test('the packed iSCSI initiator installs without any target code and runs', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lunkit-install-'))
  try {
    const archives = pack(folder)
    const user = join(folder, 'user')
    spawnSync('mkdir', [user])
    install(user, archives, ['@lunkit/initiator-driver-iscsi'])
    assert.deepEqual(installed(user), [
      '@lunkit/initiator-core',
      '@lunkit/initiator-driver-iscsi',
      '@lunkit/spec',
    ])

    const manifest = JSON.parse(
      readFileSync(join(user, 'node_modules/@lunkit/initiator-driver-iscsi/package.json'), 'utf8'),
    ) as { exports: Record<string, string>; private?: boolean }
    assert.equal(manifest.exports['.'], './dist/index.js')
    assert.equal(manifest.private, undefined)

    const program =
      "import { parseUrl } from '@lunkit/initiator-driver-iscsi'\nconsole.log(JSON.stringify(parseUrl('iscsi://[::1]:3261/iqn.2000-01.a:b/3')))"
    writeFileSync(join(user, 'use.js'), program)
    const run = spawnSync(process.execPath, ['use.js'], { cwd: user, encoding: 'utf8' })
    assert.equal(run.status, 0, run.stderr)
    assert.match(run.stdout, /3261/)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
