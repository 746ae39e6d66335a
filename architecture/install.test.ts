// SPDX-License-Identifier: Apache-2.0
// The packages work from where they are installed: the initiator driver by itself, the bundled command, both faces.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { serveBy } from '@lunkit/testing/kit/serve-process.ts'
import { ARROWS } from './arrows.ts'
import { pack } from './pack.ts'
import { ROOT } from './sources.ts'

const folder = mkdtempSync(join(tmpdir(), 'lunkit-install-'))
let archives: Map<string, string>
before(() => {
  archives = pack(folder)
})
after(() => rmSync(folder, { recursive: true, force: true }))

/** Of the bundle, for `lunkit serve` with four kinds of LUN: the command, four stores, two devices, and what they and other plug-ins share. */
const MOST_FILES = 60

function emptyFolder(name: string): string {
  const path = join(folder, name)
  mkdirSync(path)
  return path
}

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

/** What installing `lunkit` gives, with the packages from outside as this tree has them. */
function unpackAll(user: string): void {
  const modules = join(user, 'node_modules')
  for (const [name, path] of archives) {
    const into = join(modules, name)
    mkdirSync(into, { recursive: true })
    const tar = spawnSync('tar', ['-xzf', path, '-C', into, '--strip-components=1'])
    assert.equal(tar.status, 0, String(tar.stderr))
  }
  for (const name of new Set([...ARROWS.flatMap(part => part.outside), 'fast-check'])) {
    const from = join(ROOT, 'node_modules', name)
    if (statSync(from, { throwIfNoEntry: false })) symlinkSync(from, join(modules, name))
  }
}

function runNode(user: string, words: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, words, { cwd: user, encoding: 'utf8' })
  assert.equal(status, 0, `${words.join(' ')}: ${stderr}${stdout}`)
  return stdout
}

test('the packed iSCSI initiator installs without any target code and runs', () => {
  const user = emptyFolder('initiator')
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

  writeFileSync(
    join(user, 'use.js'),
    "import { parseUrl } from '@lunkit/initiator-driver-iscsi'\nconsole.log(JSON.stringify(parseUrl('iscsi://[::1]:3261/iqn.2000-01.a:b/3')))",
  )
  assert.match(runNode(user, ['use.js']), /3261/)
})

test('the packed command serves every kind of LUN and uses them, from few files', async () => {
  const user = emptyFolder('command')
  unpackAll(user)
  const manifest = JSON.parse(readFileSync(join(user, 'node_modules/lunkit/package.json'), 'utf8')) as {
    bin: Record<string, string>
    optionalDependencies: Record<string, string>
  }
  assert.ok(manifest.optionalDependencies['koffi'] !== undefined, 'the bundle would not find koffi')
  const command = join(user, 'node_modules/lunkit', manifest.bin['lunkit']!)
  assert.match(readFileSync(command, 'utf8'), /^#!\/usr\/bin\/env node\n/)
  writeFileSync(
    join(user, 'storage.js'),
    "import { OperatorError } from 'lunkit/target'\nexport default { size: 1 << 20, read: (_, into) => void into.fill(OperatorError.name.length) }",
  )
  const trace = join(user, 'trace')
  const luns = [join(user, 'disk.img,size=1M'), 'memory:1M', 'null:1M', `object:${join(user, 'storage.js')}`]
  const words = ['serve', ...luns, '--portal', '127.0.0.1:0', '--no-state', '--json']
  const preload = ['--import', join(ROOT, 'architecture/load-trace.ts')]
  const served = await serveBy([process.execPath, ...preload, command, ...words], {
    LUNKIT_LOAD_TRACE: trace,
  })
  try {
    assert.deepEqual(
      served.ready.luns.map(({ store }) => store),
      ['file', 'memory', 'null', 'object'],
    )
    const url = served.ready.luns[3]!.url
    assert.match(runNode(user, [command, 'ls', url]), /iqn\./)
    runNode(user, [command, 'copy', url, 'out.img'])
    assert.ok(readFileSync(join(user, 'out.img')).every(byte => byte === 'OperatorError'.length))
  } finally {
    assert.equal(await served.stop(), 0)
  }
  const loaded = readFileSync(trace, 'utf8').split('\n')
  const own = loaded.filter(url => url.includes(dirname(command)))
  // Each file more is felt at every start. What is not needed here (TLS, another command) stays on the disk.
  assert.ok(own.length > 4 && own.length <= MOST_FILES, `serve loads ${own.length}:\n${own.join('\n')}`)
  assert.ok(loaded.includes('node:net') && !loaded.includes('node:tls'))
})

test('the packed command serves targets in processes of their own', async () => {
  const user = emptyFolder('processes')
  unpackAll(user)
  const command = join(user, 'node_modules/lunkit/dist/bin/lunkit.js')
  const names = ['iqn.2026-11.test.lunkit:a', 'iqn.2026-11.test.lunkit:b']
  const targets = names.map(name => ({ name, luns: ['memory:1M'] }))
  const file = join(user, 'targets.json')
  writeFileSync(file, JSON.stringify({ portal: '127.0.0.1:0', state: false, targets }))
  const served = await serveBy([process.execPath, command, 'run', file, '--processes', '2', '--json'])
  try {
    assert.equal(served.ready.processes!.length, 2)
    for (const { url } of served.ready.luns) assert.match(runNode(user, [command, 'info', url]), /1 MiB/)
  } finally {
    assert.equal(await served.stop(), 0)
  }
})

test('the packed faces run, and have the types of the tree', () => {
  const user = emptyFolder('faces')
  unpackAll(user)
  const program = `
    import { connect } from 'lunkit/initiator'
    import { createTarget, memory, type RunningTarget } from 'lunkit/target'
    const target: RunningTarget = await createTarget({ luns: [memory('1M')] })
    const disk = await connect(target.url)
    const { length }: Uint8Array = await disk.read(0, 8)
    console.log(length)
    await disk.close()
    await target.close()`
  writeFileSync(join(user, 'use.ts'), program)
  writeFileSync(join(user, 'package.json'), JSON.stringify({ type: 'module' }))
  symlinkSync(join(ROOT, 'node_modules/@types'), join(user, 'node_modules/@types'))
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')
  const strict = ['--noEmit', '--strict', '--target', 'es2024', '--module', 'nodenext', '--types', 'node']
  runNode(user, [tsc, ...strict, '--lib', 'es2024,esnext.disposable', 'use.ts'])
  assert.equal(runNode(user, ['use.ts']).trim(), '4096')
})

test('the packed suites prove a store of somebody else, and find a wrong one', () => {
  const user = emptyFolder('suites')
  unpackAll(user)
  const program = `
    import { StoreError, type BackingStore, type StoreIo } from '@lunkit/target-api'
    import { deviceSuite, storeSuite } from '@lunkit/testing'
    class Zeros implements BackingStore {
      readonly size = 1 << 20
      readonly preferredBlock = 4096
      readonly canWrite = true
      readonly volatileCache = false
      readonly discards = 'none'
      readonly writesZeroes = 'emulated'
      readonly identity = ''
      read = (io: StoreIo): void => this.#end(io, () => io.segments.forEach(one => one.fill(0)))
      write = (io: StoreIo): void => this.#end(io, () => {})
      flush = (io: StoreIo): void => io.finish(StoreError.none)
      async close(): Promise<void> {}
      #end(io: StoreIo, act: () => void): void {
        const fits = io.offset + io.length <= this.size
        if (fits) act()
        io.finish(fits || process.env['WRONG'] !== undefined ? StoreError.none : StoreError.internal)
      }
    }
    storeSuite('zeros', async () => new Zeros(), { forgets: true })
    const { device } = await import('@lunkit/target-devices/absent')
    deviceSuite(device, { size: null })`
  writeFileSync(join(user, 'mine.test.ts'), program)
  writeFileSync(join(user, 'package.json'), JSON.stringify({ type: 'module' }))
  symlinkSync(join(ROOT, 'node_modules/@types'), join(user, 'node_modules/@types'))
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')
  const strict = ['--noEmit', '--strict', '--target', 'es2024', '--module', 'nodenext', '--types', 'node']
  runNode(user, [tsc, ...strict, '--lib', 'es2024,esnext.disposable', 'mine.test.ts'])
  assert.match(runNode(user, ['mine.test.ts']), /zeros keeps the contract of a store[\s\S]*fail 0/)
  const wrong = spawnSync(process.execPath, ['mine.test.ts'], {
    cwd: user,
    encoding: 'utf8',
    env: { ...process.env, WRONG: '1' },
  })
  assert.equal(wrong.status, 1)
  assert.match(wrong.stdout, /refuses what reaches beyond the end/)
})
