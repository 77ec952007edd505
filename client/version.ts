/** The client's own version, as inventory and `User-Agent` say it. A test holds it equal to package.json. */
export const version = '0.1.0';
