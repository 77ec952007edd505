export type { ArtifactHeader, OpenArtifact, Payload, PayloadFile, StateScript } from './artifact.ts';
export { ArtifactError, artifactErrorCodes, type ArtifactErrorCode } from './errors.ts';
export { fileChunks } from './file-chunks.ts';
export { defaultLimits, type Limits } from './limits.ts';
export {
  compressions,
  isPayloadFileName,
  isScriptName,
  nameFault,
  payloadTypeFault,
  type Compression,
} from './names.ts';
export {
  applyProvides,
  dependsMismatch,
  matchesClear,
  mergedDepends,
  mergedPayload,
  mergedProvides,
  type DeviceView,
} from './provides.ts';
export { openArtifact, type ReadOptions } from './read.ts';
export { parsePublicKey } from './signature.ts';
export { signArtifact, type SignOptions } from './sign.ts';
export { keySigner, rawSignature, signatureLength, type Signer } from './signer.ts';
export {
  bytesSource,
  fileSource,
  type ArtifactSpec,
  type AugmentSpec,
  type PayloadSource,
  type PayloadSpec,
} from './spec.ts';
export { artifactBytes, writeArtifact, type WriteOptions, type Written } from './write.ts';
export { blockSize, parseTarHeader } from './tar-header.ts';
export { tarEnd, tarHeader, tarPadding } from './tar-writer.ts';
