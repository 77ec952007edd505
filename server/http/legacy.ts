import type { RequestHandler } from 'express';
import { inventoryV1 } from '#proto/http/devices';

const attributes = '/api/devices/v1/inventory/device/attributes';
const oldest = /^\/api\/0\.1\.0(\/[^?]*)(.*)$/;

/** The inventory by its paths of before there were versions, which the reference still routes (`server-api.md` §0.1). */
export const legacyPaths: RequestHandler = (req, _res, next) => {
  const [whole, path = '', query = ''] = oldest.exec(req.url) ?? [];
  if (whole !== undefined) req.url = `${path === '/attributes' ? attributes : inventoryV1 + path}${query}`;
  next();
};
