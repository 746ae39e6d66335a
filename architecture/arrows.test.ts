// SPDX-License-Identifier: Apache-2.0
// Every import of every source file follows an arrow; the check fails if it saw nothing.
import assert from 'node:assert/strict'
import { dirname, join, normalize } from 'node:path'
import { test } from 'node:test'
import { ARROWS, type Part } from './arrows.ts'
import { files, imports, isTest, read } from './sources.ts'

const partOf = (file: string): Part | undefined => ARROWS.find(({ folder }) => file.startsWith(`${folder}/`))
const packageOf = (specifier: string): string =>
  specifier
    .split('/', specifier.startsWith('@') ? 2 : 1)
    .join('/')
    .replace(/\$\{.*/, '')

/** Why an import breaks the shape, or null. */
function objection(part: Part, file: string, specifier: string): string | null {
  if (specifier.startsWith('.')) {
    const path = normalize(join(dirname(file), specifier))
    return path.startsWith(`${part.folder}/`) ? null : 'leaves its package by a path'
  }
  if (specifier.startsWith('node:')) return part.node ? null : 'may not use node: modules'
  const name = packageOf(specifier)
  if (part.may.includes(name) || part.outside.includes(name)) return null
  return 'has no arrow'
}

test('every import follows an arrow', () => {
  const sources = files('.ts').filter(file => partOf(file) !== undefined && !isTest(file))
  let seen = 0
  const broken: string[] = []
  for (const file of sources) {
    for (const specifier of imports(file)) {
      seen++
      const why = objection(partOf(file)!, file, specifier)
      if (why !== null) broken.push(`${file} imports ${specifier}: ${why}`)
    }
  }
  assert.deepEqual(broken, [])
  assert.ok(sources.length > 100, `only ${sources.length} files were seen`)
  assert.ok(seen > 300, `only ${seen} imports were seen`)
})

test('a forbidden import is found', () => {
  const engine = ARROWS.find(({ folder }) => folder === 'target/engine')!
  assert.equal(objection(engine, 'target/engine/src/x.ts', '@lunkit/target-devices/disk'), 'has no arrow')
  assert.equal(
    objection(engine, 'target/engine/src/x.ts', '../../devices/src/disk/index.ts'),
    'leaves its package by a path',
  )
  const spec = ARROWS.find(({ folder }) => folder === 'spec')!
  assert.equal(objection(spec, 'spec/src/x.ts', 'node:fs'), 'may not use node: modules')
})

test('manifests name exactly the packages that the sources import', () => {
  for (const part of ARROWS) {
    const manifest = JSON.parse(read(`${part.folder}/package.json`)) as {
      dependencies?: Record<string, string>
      optionalDependencies?: Record<string, string>
    }
    const declared = [
      ...Object.keys(manifest.dependencies ?? {}),
      ...Object.keys(manifest.optionalDependencies ?? {}),
    ]
    const used = new Set<string>()
    for (const file of files('.ts').filter(one => one.startsWith(`${part.folder}/`) && !isTest(one))) {
      for (const specifier of imports(file)) {
        if (!specifier.startsWith('.') && !specifier.startsWith('node:')) used.add(packageOf(specifier))
      }
    }
    assert.deepEqual(declared.sort(), [...used].sort(), part.folder)
  }
})

test('each part has a row, and each row a folder', () => {
  const manifests = files('package.json').filter(
    file => file !== 'package.json' && !/^(testing|architecture)\//.test(file),
  )
  assert.deepEqual(manifests.map(file => dirname(file)).sort(), ARROWS.map(({ folder }) => folder).sort())
})
