export interface Artifacts {
  id: string;
  name: string;
  description: string;
  /** Canonical text of all depends: unique together with the name. */
  depends_key: string;
  /** The update module that takes it; null: an empty payload. */
  update_type: string | null;
  /** The artifact as the API shows it, without id, description, size, modified. */
  document: string;
  /** Bytes. PostgreSQL gives a bigint as text. */
  size: number | string;
  modified: string;
}

export interface ArtifactTypes {
  artifact_id: string;
  device_type: string;
}

export interface Releases {
  name: string;
  modified: string;
  notes: string;
  /** JSON list, sorted; `release_tags` has the same a row a tag, to be found by. */
  tags: string;
}

export interface ReleaseTags {
  tag: string;
  release_name: string;
}

/** An upload straight to a signed link. Until it is complete its blob is nobody's artifact. */
export interface DirectUploads {
  id: string;
  expires: string;
  /** The row that it will be in `artifacts`, JSON; null: nothing has come yet. */
  artifact: string | null;
  /** Bytes. PostgreSQL gives a bigint as text. */
  size: number | string;
}

/** Artifacts and the releases that they make up. */
export interface ReleaseTables {
  artifacts: Artifacts;
  artifact_types: ArtifactTypes;
  releases: Releases;
  release_tags: ReleaseTags;
  direct_uploads: DirectUploads;
}
