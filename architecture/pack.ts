// SPDX-License-Identifier: Apache-2.0
// `npm run pack`: makes the packages that are published, in build/: dist from src, manifests from those of the tree.
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ARROWS, type Part } from './arrows.ts'
import { files, isTest, ROOT, read } from './sources.ts'

type Manifest = Record<string, unknown> & { name: string; version: string }

/** Type stripping, module hooks and Symbol.asyncDispose are there from this version on. */
const NODE = '>=22.18'

/** The tree's manifests point at sources and are private, so that nobody publishes them by mistake. */
function publishedManifest(part: Part): Manifest {
  const { private: _, ...manifest } = JSON.parse(read(`${part.folder}/package.json`)) as Manifest
  const toDist = (value: unknown): unknown => {
    if (typeof value === 'string') return value.replace(/^\.\/src\//, './dist/').replace(/\.ts$/, '.js')
    if (value === null || typeof value !== 'object') return value
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, toDist(one)]))
  }
  const published: Manifest = {
    ...manifest,
    engines: { node: NODE },
    files: ['dist', 'README.md', 'LICENSE'],
  }
  if (manifest['bin'] !== undefined) published['bin'] = toDist(manifest['bin'])
  published['exports'] = toDist(manifest['exports'])
  return published
}

function compile(outDir: string): void {
  const sources = files('.ts').filter(file => ARROWS.some(({ folder }) => file.startsWith(`${folder}/src/`)))
  const config = {
    extends: join(ROOT, 'tsconfig.json'),
    compilerOptions: {
      noEmit: false,
      declaration: true,
      rewriteRelativeImportExtensions: true,
      outDir,
      rootDir: ROOT,
    },
    files: sources.filter(file => !isTest(file)).map(file => join(ROOT, file)),
    include: [],
  }
  const path = join(ROOT, 'build', 'tsconfig.json')
  writeFileSync(path, JSON.stringify(config))
  const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc')
  const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', path], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`The compiler found errors:\n${stdout}`)
}

/** Packs every part; gives package names with the paths of their archives. */
export function pack(into: string = join(ROOT, 'build')): Map<string, string> {
  const compiled = join(into, 'compiled')
  mkdirSync(join(ROOT, 'build'), { recursive: true })
  rmSync(compiled, { recursive: true, force: true })
  compile(compiled)
  const archives = new Map<string, string>()
  for (const part of ARROWS) {
    const folder = join(into, 'packages', part.folder)
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    cpSync(join(compiled, part.folder, 'src'), join(folder, 'dist'), { recursive: true })
    cpSync(join(ROOT, 'LICENSE'), join(folder, 'LICENSE'))
    const readme = [join(ROOT, part.folder, 'README.md'), join(ROOT, 'README.md')].find(path =>
      existsSync(path),
    )
    if (readme !== undefined) cpSync(readme, join(folder, 'README.md'))
    writeFileSync(join(folder, 'package.json'), `${JSON.stringify(publishedManifest(part), null, 2)}\n`)
    const packed = spawnSync('npm', ['pack', '--json', '--pack-destination', into], {
      cwd: folder,
      encoding: 'utf8',
    })
    if (packed.status !== 0) throw new Error(`npm pack of ${part.name} failed:\n${packed.stderr}`)
    const report = JSON.parse(packed.stdout) as { filename: string }[] | Record<string, { filename: string }>
    archives.set(part.name, join(into, Object.values(report)[0]!.filename))
  }
  return archives
}

if (import.meta.main) {
  for (const [name, path] of pack()) process.stdout.write(`${name}  ${path}\n`)
}
