import { Page } from '../parts/page.tsx';
export const ReleasePage = () => <Page title="release">{null}</Page>;
