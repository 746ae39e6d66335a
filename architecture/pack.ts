// SPDX-License-Identifier: Apache-2.0
// `npm run pack`: makes the packages that are published, in build/: dist from src, manifests from those of the tree.
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ARROWS, type Part } from './arrows.ts'
import { bundle } from './bundle.ts'
import { files, isTest, ROOT, read } from './sources.ts'

interface Manifest extends Record<string, unknown> {
  readonly name: string
  readonly bin?: Readonly<Record<string, string>>
}

/** The suites for plug-ins of others; of the folder they need nothing else. */
const KIT = { folder: 'testing', name: '@lunkit/testing' } as const
type Packed = Pick<Part, 'folder' | 'name'>
const PACKED: readonly Packed[] = [...ARROWS, KIT]
const sourcesOf = ({ folder }: Packed): string => join(folder, folder === KIT.folder ? 'kit' : 'src')

/** What the command of a part is made of; in the tree it is started by a file that the packages do not have. */
const COMMAND = 'src/main.ts'

/** Type stripping, module hooks and Symbol.asyncDispose are there from this version on. */
const NODE = '>=22.18'

const manifestOf = (part: Packed): Manifest => JSON.parse(read(`${part.folder}/package.json`)) as Manifest

/** The tree's manifests point at sources and are private, so that nobody publishes them by mistake. */
function publishedManifest(part: Packed): Manifest {
  const { private: _, devDependencies: __, ...manifest } = manifestOf(part)
  const toDist = (value: unknown): unknown => {
    if (typeof value === 'string') return value.replace(/^\.\/src\//, './dist/').replace(/\.ts$/, '.js')
    if (value === null || typeof value !== 'object') return value
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, toDist(one)]))
  }
  return {
    ...manifest,
    engines: { node: NODE },
    files: ['dist', 'README.md', 'LICENSE'],
    ...(manifest.bin !== undefined && bundled(manifest.bin)),
    exports: part === KIT ? { '.': './dist/index.js' } : toDist(manifest['exports']),
  }
}

/** A bundle finds only what its own package depends on: also what the parts within would like to have. */
function bundled(bin: Readonly<Record<string, string>>) {
  return {
    bin: Object.fromEntries(Object.keys(bin).map(name => [name, `./dist/bin/${name}.js`])),
    optionalDependencies: Object.assign({}, ...ARROWS.map(part => manifestOf(part)['optionalDependencies'])),
  }
}

function compile(into: string, outDir: string): void {
  const sources = files('.ts').filter(file => ARROWS.some(({ folder }) => file.startsWith(`${folder}/src/`)))
  const config = {
    extends: join(ROOT, 'tsconfig.json'),
    compilerOptions: {
      noEmit: false,
      declaration: true,
      rewriteRelativeImportExtensions: true,
      outDir,
      rootDir: ROOT,
      typeRoots: [join(ROOT, 'node_modules', '@types')],
    },
    files: [...sources.filter(file => !isTest(file)), join(sourcesOf(KIT), 'index.ts')].map(file =>
      join(ROOT, file),
    ),
    include: [],
  }
  const path = join(into, 'compile.json')
  writeFileSync(path, JSON.stringify(config))
  const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc')
  const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', path], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`The compiler found errors:\n${stdout}`)
}

/** Packs every part; gives package names with the paths of their archives. */
export function pack(into: string = join(ROOT, 'build')): Map<string, string> {
  const compiled = join(into, 'compiled')
  mkdirSync(into, { recursive: true })
  rmSync(compiled, { recursive: true, force: true })
  compile(into, compiled)
  const archives = new Map<string, string>()
  for (const part of PACKED) {
    const folder = join(into, 'packages', part.folder)
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    cpSync(join(compiled, sourcesOf(part)), join(folder, 'dist'), { recursive: true })
    for (const name of Object.keys(manifestOf(part).bin ?? {})) {
      bundle(join(part.folder, COMMAND), name, join(folder, 'dist', 'bin'))
    }
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
