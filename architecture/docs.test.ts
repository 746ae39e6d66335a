// SPDX-License-Identifier: Apache-2.0
// The documentation against the tree: links, paths, commands, examples and the README's two lines are real.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { kindHelp, tableOf } from '../cli/src/kind-help.ts'
import { KIND_LINES } from '../cli/src/kind-lines.ts'
import { parseLun, UNIT_PARAMETERS } from '../cli/src/target-face/lun-spec.ts'
import { KINDS, roleOf } from '../cli/src/target-face/plug-ins.ts'
import { files, ROOT, read } from './sources.ts'

const pages = files('.md')
const strip = (page: string): string => page.replaceAll(/```[\s\S]*?```/g, '')

/** What headings of a page are called in links. */
const anchorsOf = (page: string): string[] =>
  [...strip(read(page)).matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )

test('every link and every named path leads somewhere', () => {
  let seen = 0
  const broken: string[] = []
  for (const page of pages) {
    for (const [, target, anchor] of strip(read(page)).matchAll(/\]\(([^)#\s]*)(?:#([^)\s]+))?[^)]*\)/g)) {
      if (/^[a-z]+:/.test(target!)) continue
      seen++
      const path = target === '' ? page : join(dirname(page), target!)
      if (!existsSync(join(ROOT, path))) broken.push(`${page} links to ${target}`)
      else if (anchor !== undefined && !anchorsOf(path).includes(anchor))
        broken.push(`${page} links to #${anchor} of ${path}`)
    }
    for (const [, path] of strip(read(page)).matchAll(
      /`((?:spec|target|initiator|cli|testing|architecture|docs)\/[\w./-]+)`/g,
    )) {
      seen++
      if (!existsSync(join(ROOT, path!))) broken.push(`${page} names ${path}`)
    }
  }
  assert.deepEqual(broken, [])
  assert.ok(seen > 30, `only ${seen} links and paths were seen`)
})

test('the two commands of the README are scripts of the tree', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
  const commands = [...read('README.md').matchAll(/^npm ci && npm (\w+)$/gm)].map(match => match[1]!)
  assert.deepEqual(commands, ['start', 'test'])
  for (const command of commands) assert.ok(scripts[command] !== undefined)
  assert.match(read('.ci/run'), /^npm ci && npm test$/m)
})

test('every lunkit command in the pages exists', () => {
  const commands = [...read('cli/src/main.ts').matchAll(/commands\/(\w+)\.ts/g)].map(match => match[1]!)
  assert.ok(commands.length >= 7)
  const words = pages.flatMap(page =>
    [...read(page).matchAll(/(?:npx |^|`)lunkit ([a-z]+)/gm)].map(match => ({ page, word: match[1]! })),
  )
  assert.ok(words.length > 8, `only ${words.length} commands were seen`)
  assert.deepEqual(
    words.filter(({ word }) => !commands.includes(word) && word !== 'help'),
    [],
  )
})

test('examples in the pages are the files that are compiled and run', () => {
  let seen = 0
  for (const page of pages) {
    for (const [, path, code] of read(page).matchAll(/<!-- example: (\S+) -->\n```[jt]s\n([\s\S]*?)```/g)) {
      seen++
      const source = read(path!).split('\n').slice(2).join('\n')
      assert.equal(source.trim(), code!.trim(), `${page} and ${path} differ`)
      const run = spawnSync(process.execPath, [join(ROOT, path!)], {
        cwd: ROOT,
        encoding: 'utf8',
        timeout: 20_000,
      })
      assert.equal(run.status, 0, `${path}: ${run.stderr}`)
    }
  }
  assert.ok(seen >= 2, `only ${seen} examples were seen`)
})

test('every recipe and every decision is in the list of its folder', () => {
  for (const folder of ['docs/cookbook', 'docs/decisions']) {
    const listed = read(`${folder}/README.md`)
    const names = pages.filter(page => dirname(page) === folder).map(page => page.slice(folder.length + 1))
    assert.ok(names.length > 6, folder)
    assert.deepEqual(
      names.filter(name => name !== 'README.md' && !listed.includes(`](${name})`)),
      [],
    )
  }
})

test('every plug-in folder has a README', () => {
  const plugins = files('/store.ts').map(file => dirname(file))
  assert.ok(plugins.length >= 4)
  assert.deepEqual(
    plugins.filter(folder => !existsSync(join(ROOT, folder, 'README.md'))),
    [],
  )
})

test('every kind of LUN is in the help and on the page of what can be served', () => {
  const page = read('docs/cookbook/storage.md')
  const told = KIND_LINES.map(({ kind }) => kind)
  for (const kind of KINDS) assert.match(page, new RegExp(`\\[${kind}\\]\\(`), kind)
  // A disk is what is not named.
  assert.deepEqual(new Set(['disk', ...told]), new Set(KINDS))
  for (const { kind, role, example } of KIND_LINES) {
    assert.equal(roleOf(kind), role)
    const { kind: device, filters = [], store } = parseLun(example)
    assert.ok([device, ...filters, store].includes(kind), example)
  }
  assert.match(read('cli/src/commands/serve.ts'), /'lunkit help KIND'/)
})

test('lunkit help KIND has every key that is read, and what it may be', async () => {
  let seen = 0
  for (const kind of KINDS) {
    const page = (await kindHelp(kind))!
    for (const [key, { help, argument, choices }] of Object.entries(await tableOf(kind, roleOf(kind)!))) {
      seen++
      const line = page.split('\n').find(one => one.startsWith(`  ${key}${argument ? ' ' : '='}`))
      assert.ok(line?.includes(help) === true, `${kind}: ${key}`)
      for (const choice of choices ?? []) assert.ok(line!.includes(String(choice)), `${kind}: ${key}`)
    }
    if (roleOf(kind) === 'device') assert.match(page, /^ {2}serial=TEXT /m)
  }
  assert.ok(seen > 80, `only ${seen} keys were seen`)
  assert.equal(await kindHelp('floppy'), null)
})

test('commands of the pages can be pasted in a clone', () => {
  let seen = 0
  const bare: string[] = []
  for (const page of pages.filter(one => !one.startsWith('docs/decisions/') && one !== 'CHANGELOG.md')) {
    const fences = [...read(page).matchAll(/```(?:sh)?\n([\s\S]*?)```/g)].map(match => match[1]!)
    const indented = strip(read(page)).match(/^ {4}.*$/gm) ?? []
    for (const line of [...fences, ...indented].flatMap(part => part.split('\n'))) {
      if (/\bnpx lunkit /.test(line)) seen++
      if (/(?:^\s*|[;|&(] *)lunkit (?!ls, )[a-z]/.test(line)) bare.push(`${page}: ${line}`)
    }
  }
  assert.deepEqual(bare, [])
  assert.ok(seen > 50, `only ${seen} commands were seen`)
})

test('every key of every kind is on the page that the kind leads to', async () => {
  const page = read('docs/cookbook/storage.md')
  const missing: string[] = []
  for (const kind of KINDS) {
    const [, link] = new RegExp(`\\[${kind}\\]\\(([^)]+)\\)`).exec(page)!
    const text = read(join('docs/cookbook', link!))
    for (const key of Object.keys(await tableOf(kind, roleOf(kind)!)))
      if (!new RegExp(`\`[^\`\n]*\\b${key}\\b`).test(text)) missing.push(`${kind}: ${key}`)
  }
  const disk = read('target/devices/src/disk/README.md')
  for (const key of Object.keys(UNIT_PARAMETERS)) if (!disk.includes(`\`${key}\``)) missing.push(key)
  assert.deepEqual(missing, [])
})
