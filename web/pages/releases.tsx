import { Page } from '../parts/page.tsx';
export const ReleasesPage = () => <Page title="releases">{null}</Page>;
