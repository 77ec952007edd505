import { Badge, Group, Text, TextInput } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { IconPackage, IconSearch, IconUpload } from '../parts/icons.ts';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import type { Release } from '#proto/http/deployments';
import { useReleases } from '../api/releases.ts';
import { bytes } from '../format.ts';
import { Empty } from '../parts/empty.tsx';
import { GuardedButton } from '../parts/guard.tsx';
import { columnsOf, Listing, Pager, type Columns } from '../parts/listing.tsx';
import { Page } from '../parts/page.tsx';
import { Problem } from '../parts/problem.tsx';
import { Ago } from '../parts/time.tsx';
import { UploadDialog } from '../parts/upload-dialog.tsx';

const perPage = 20;
const column = columnsOf<Release>();
const unique = (values: readonly string[]) => [...new Set(values)];

const columns: Columns<Release> = [
  column.display({
    id: 'name',
    header: 'Release',
    cell: ({ row: { original } }) => (
      <Group gap={8} wrap="nowrap">
        <Link className="row-link" to="/releases/$releaseName" params={{ releaseName: original.name }}>
          {original.name}
        </Link>
        {original.tags.map((tag) => (
          <Badge key={tag} color="gray">
            {tag}
          </Badge>
        ))}
      </Group>
    ),
  }),
  column.display({
    id: 'types',
    header: 'For device types',
    cell: ({ row: { original } }) => {
      const types = unique(original.artifacts.flatMap((artifact) => artifact.device_types_compatible));
      return types.slice(0, 3).join(', ') + (types.length > 3 ? ` and ${types.length - 3} more` : '') || '–';
    },
  }),
  column.display({
    id: 'kinds',
    header: 'Kind of update',
    cell: ({ row: { original } }) =>
      unique(
        original.artifacts.flatMap(({ updates }) => updates.map((update) => update.type_info.type ?? 'empty')),
      ).join(', ') || '–',
  }),
  column.display({
    id: 'artifacts',
    header: 'Artifacts',
    meta: { right: true },
    cell: ({ row: { original } }) => original.artifacts_count,
  }),
  column.display({
    id: 'size',
    header: 'Size',
    meta: { right: true },
    cell: ({ row: { original } }) => bytes(original.artifacts.reduce((sum, { size }) => sum + size, 0)),
  }),
  column.display({
    id: 'modified',
    header: 'Changed',
    meta: { width: 140 },
    cell: ({ row: { original } }) => <Ago time={original.modified} />,
  }),
];

export function ReleasesPage() {
  const search = useSearch({ from: '/inside/releases' });
  const navigate = useNavigate({ from: '/releases' });
  const page = search.page ?? 1;
  const [text, setText] = useState(search.q ?? '');
  const find = useDebouncedCallback((q: string) => void navigate({ search: q ? { q } : {}, replace: true }), 250);
  const [uploading, setUploading] = useState(false);
  const { data, error, refetch } = useReleases({ page, perPage, ...(search.q ? { name: search.q } : {}) });
  return (
    <Page
      title="Releases"
      actions={
        <>
          <TextInput
            aria-label="Search releases"
            placeholder="Search by name"
            leftSection={<IconSearch size={16} />}
            w={220}
            value={text}
            onChange={(event) => {
              setText(event.currentTarget.value);
              find(event.currentTarget.value.trim());
            }}
          />
          <GuardedButton
            needs="releases:manage"
            leftSection={<IconUpload size={16} />}
            onClick={() => setUploading(true)}
          >
            Upload
          </GuardedButton>
        </>
      }
    >
      {error && !data ? (
        <Problem what="The releases could not be listed" error={error} retry={refetch} />
      ) : (
        <Listing
          label="Releases"
          columns={columns}
          rows={data?.items}
          rowId={({ name }) => name}
          expect={6}
          open={({ name }) => void navigate({ to: '/releases/$releaseName', params: { releaseName: name } })}
          empty={
            <Empty
              icon={<IconPackage size={34} stroke={1.4} />}
              title={search.q ? `No release is named like “${search.q}”` : 'No release yet'}
            >
              {search.q ? (
                'The search looks at a part of the name.'
              ) : (
                <>
                  Upload an artifact to make one: a file that <code>patchbay artifact write</code> or{' '}
                  <code>mender-artifact</code> made. Artifacts of one name are one release.
                </>
              )}
            </Empty>
          }
          foot={
            data && (
              <Pager
                page={page}
                perPage={perPage}
                shown={data.items.length}
                total={data.total}
                more={data.more}
                go={(to) =>
                  void navigate({ search: { ...(search.q ? { q: search.q } : {}), ...(to > 1 ? { page: to } : {}) } })
                }
              />
            )
          }
        />
      )}
      <Text size="xs" c="dimmed">
        A release is every artifact of one name; each device takes the one that was made for its type.
      </Text>
      <UploadDialog opened={uploading} close={() => setUploading(false)} />
    </Page>
  );
}
